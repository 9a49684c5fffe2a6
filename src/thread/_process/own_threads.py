"""Threads of the telemetry itself: unobserved, and out of the program's way at forks."""

from __future__ import annotations

from _thread import get_native_id
from collections import deque

from .._backend import core
from .flags import Flag
from .raw_threads import start_raw_thread
from .threading_list import forget_in_threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final


class UnobservedThread:
    """A thread of the telemetry or of an exporter that calls `run` without the program noticing.

    It is not observed, not joined at exit and not listed by `threading`, and gets no signals. `Coverage.faults` counts
    exceptions of `run`.

    With `wake` it makes way for forks. Before a fork, if the program has no other thread but the one that forks,
    `is_leaving` becomes true and `wake` is called until `run` returns, which has to happen within milliseconds. After
    the fork the parent calls `run` anew, from the beginning, even if it had nothing left to do; the child does not.
    `wake` runs in the thread that forks and must not block.

        class Ticker:
            def __init__(self):
                self._alarm = queue.SimpleQueue()
                self._thread = UnobservedThread(self._tick, wake=lambda: self._alarm.put(None))
                self._thread.start()

            def _tick(self):
                while not self._thread.is_leaving:
                    ...
    """

    __slots__ = ("_calls_due", "_ended", "_run", "_wake", "has_begun", "is_leaving", "is_running")

    def __init__(self, run: Callable[[], object], wake: Callable[[], object] | None = None) -> None:
        self._run = run
        self._wake = wake
        self._calls_due: deque[None] = deque()
        self._ended = Flag()
        self.is_leaving = False
        """True if `run` has to return."""
        self.is_running = False
        """True while `run` is being called, or is about to be."""
        self.has_begun = False
        """True once the thread has recorded its native id."""

    @property
    def makes_way(self) -> bool:
        """True if it can be asked to leave."""
        return self._wake is not None

    def start(self) -> None:
        """Start the thread. Raises RuntimeError if no thread can be started."""
        self.is_running, self.has_begun, self.is_leaving, self._ended = True, False, False, Flag()
        _running[id(self)] = self
        try:
            start_raw_thread(self._run_untracked)
        except (MemoryError, RuntimeError) as error:
            self._end()
            raise RuntimeError(f"can't start new thread: {error}") from None

    def join(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds until it has ended. Returns whether it has."""
        if self.is_running:
            self._ended.wait(timeout)
        return not self.is_running

    @staticmethod
    def run_here(step: Callable[[], object]) -> None:
        """Run a step of this thread in the calling one, for want of a thread."""
        try:
            # Not before `try`: a signal handler that raises in between would leave this thread unobserved for ever.
            core.enter_untracked()
            step()
        finally:
            core.leave_untracked()

    def leave(self) -> None:
        """Ask it to make way."""
        self.is_leaving = True
        if self._wake is not None and self.is_running:
            self._wake()

    def come_back(self) -> None:
        """Let it go on. Raises RuntimeError if no thread can be started."""
        self.is_leaving = False
        # A thread that did not leave in time may be about to; it then sees by itself that it has to go on.
        self._calls_due.append(None)
        if not self.is_running and self._has_call_due():
            self.start()

    def _run_untracked(self) -> None:
        core.enter_untracked()
        native_ids.append(get_native_id())
        self.has_begun = True
        try:
            self._run()
            while self._has_call_due():
                self._run()
        except BaseException:
            core.count_internal_error()
        finally:
            forget_in_threading()
            core.leave_untracked()
            self._end()
        if self._has_call_due():
            self.start()

    def _has_call_due(self) -> bool:
        # Both this thread and the one that calls it back may look; one of them gets it.
        try:
            self._calls_due.pop()
        except IndexError:
            return False
        return True

    def _end(self) -> None:
        _running.pop(id(self), None)
        self.is_running = False
        self._ended.set()


_running: Final[dict[int, UnobservedThread]] = {}

native_ids: Final[deque[int]] = deque(maxlen=256)
"""Native ids of our threads, and of those that have just ended."""


def running_threads() -> list[UnobservedThread]:
    """Our threads that run, or are about to."""
    return list(_running.values())


def forget_all() -> None:
    """Forget all threads, in a child after fork, which has none of them."""
    for thread in running_threads():
        thread.is_running = thread.is_leaving = False
    _running.clear()
    native_ids.clear()


def start_own_thread(run: Callable[[], object]) -> None:
    """Call `run` once in an unobserved thread. Raises RuntimeError if no thread can be started."""
    UnobservedThread(run).start()
