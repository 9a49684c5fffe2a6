"""The running threads, with what `threading` and the operating system know about them."""

from __future__ import annotations

import _thread
import os
import sys
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from .._backend import core
from .._inspection.objects import as_text, is_a, loaded, namespace_of
from .._rows import CurrentWaitRow, LiveThreadRow

MAIN_TARGET: Final = "main"
UNKNOWN_TARGET: Final = "unknown"


class RawLiveThread(NamedTuple):
    """One thread, with times as the core keeps them."""

    ident: int
    native_id: int
    name: str
    target: str
    daemon: bool | None
    started_ns: int | None
    cpu_time_ns: int | None
    wait: CurrentWaitRow | None


def read_live_threads() -> list[RawLiveThread]:
    """The main thread, the threads started under observation, and any other that waits for an observed lock.

    Leaves out threads of the telemetry itself. Takes no lock and calls no code of the program.
    """
    waits = {wait.ident: wait for wait in map(CurrentWaitRow._make, core.read_current_waits())}
    observed = {thread.ident: thread for thread in map(LiveThreadRow._make, core.read_live_threads())}
    main = main_ident()
    rows = []
    for ident in dict.fromkeys((main, *observed, *waits)):
        thread = observed.get(ident)
        native_id, target = (0, UNKNOWN_TARGET) if thread is None else (thread.native_id, thread.target)
        known = _known_to_threading(ident)
        if ident == main:
            # After a fork the main thread is the one that forked, under another number than it was started with.
            native_id = _main_native_id(native_id)
            target = MAIN_TARGET if thread is None else target
        elif not native_id:
            native_id = _number(known.get("_native_id"))
        daemonic = known.get("_daemonic")
        rows.append(
            RawLiveThread(
                ident,
                native_id,
                as_text(known.get("_name")) or target,
                target,
                bool(daemonic) if type(daemonic) in (bool, int) else None,
                None if thread is None else thread.started_ns,
                cpu_time_ns(native_id),
                waits.get(ident),
            )
        )
    return rows


def _known_to_threading(ident: int) -> dict[str, Any]:
    """The attributes of the thread's `threading.Thread`, empty where there is none.

    Reads its dictionary, since a subclass may have properties of those names. Does not call `current_thread()`, which
    makes an object where there is none.
    """
    active = loaded("threading", "_active")
    thread = active.get(ident) if type(active) is dict else None
    dummy = loaded("threading", "_DummyThread")
    return {} if thread is None or (dummy is not None and is_a(thread, dummy)) else namespace_of(thread)


def _number(value: object) -> int:
    return value if type(value) is int else 0


if sys.platform == "linux":
    _PER_THREAD_CPU_CLOCK: Final = 0b110

    def cpu_time_ns(native_id: int) -> int | None:
        """CPU time of a thread of this process, None if it has ended.

        The clock's number is built from the thread's as the kernel defines it. `pthread_getcpuclockid` would read
        the memory of a thread that may be gone by then.
        """
        if native_id <= 0:
            return None
        try:
            return time.clock_gettime_ns(~native_id << 3 | _PER_THREAD_CPU_CLOCK)
        except OSError:
            return None

    def _main_native_id(observed: int) -> int:
        return os.getpid()

else:

    def cpu_time_ns(native_id: int) -> int | None:
        """None: there is no safe way to read the CPU clock of a thread that may end at any moment."""
        return None

    def _main_native_id(observed: int) -> int:
        return observed or _number(_known_to_threading(main_ident()).get("_native_id"))


# Up to 3.12 only `threading` knows the main thread. Until it is imported, take the thread that imported this module, or
# the one that forked.
_presumed_main: Final = [_thread.get_ident()]


def _main_ident_of_threading() -> int:
    main = loaded("threading", "_main_thread")
    return _number(namespace_of(main).get("_ident")) or _presumed_main[0]


main_ident: Callable[[], int] = getattr(_thread, "_get_main_thread_ident", _main_ident_of_threading)
"""The ident of the main thread."""


def after_fork_in_child() -> None:
    """Know that the thread that forked is the main thread of the child."""
    _presumed_main[0] = _thread.get_ident()
