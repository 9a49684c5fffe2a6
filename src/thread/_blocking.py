"""Waits that are no contention: for a condition, an event, a queue, a thread, a future.

All of them end up in one of three methods, which are replaced: `Condition.wait`, `Thread.join` and, with the C core,
`SimpleQueue.get`. What the program waited for is told by the functions of the standard library on the way there. A
wait that does not happen, since the queue has something or the event is set, never comes here and costs nothing.
"""

from __future__ import annotations

import sys
from functools import wraps
from types import CodeType, FrameType, ModuleType
from typing import Any, Final

from ._accumulator import Accumulator
from ._backend import core
from ._histogram_counts import RawHistogram
from ._naming import OWN_FOLDER, RawSite, describe_site, describe_target, module_of
from ._replacing import Replacement
from ._resets import on_reset

MAX_ROWS: Final = 2000

NOT_BLOCKING: Final = ""
"""The kind of what is recorded otherwise: waits for permits, the start of a thread, a worker without a task."""

_kinds: dict[CodeType, str] = {}
_totals: dict[tuple[str, str, RawSite], core.HistogramCounts] = {}


def _fold(wait: tuple[str, str, RawSite, int]) -> None:
    kind, name, site, duration = wait
    key = (kind, name, site)
    counts = _totals.get(key)
    if counts is None:
        if len(_totals) >= MAX_ROWS:
            key = (kind, "other", ("other", "", 0))
        counts = _totals.setdefault(key, core.HistogramCounts())
    counts.add(duration)


_waits = Accumulator(_fold)


def read_blocking() -> list[tuple[str, str, RawSite, RawHistogram | None]]:
    """One row per kind, name and site, with how long the waits took."""
    _waits.settle()
    return [(*key, counts.read()) for key, counts in list(_totals.items())]


@on_reset
def _zero() -> None:
    _waits.reset()
    _totals.clear()


def in_threading(threading: ModuleType) -> list[Replacement]:
    """Conditions, what is built on them, and joining threads."""
    condition, thread = threading.Condition, threading.Thread
    _learn("condition", condition.wait, condition.wait_for)
    _learn("event", threading.Event.wait)
    _learn("barrier", threading.Barrier.wait)
    _learn("join", thread.join)
    _learn(NOT_BLOCKING, threading.Semaphore.acquire, thread.start)
    return [
        Replacement(condition, "wait", _observed_wait(condition.wait)),
        Replacement(thread, "join", _observed_join(thread.join, thread.is_alive)),
    ]


def in_queue(queue: ModuleType) -> list[Replacement]:
    """All kinds of queue."""
    _learn("queue", queue.Queue.get, queue.Queue.put, queue.Queue.join)
    if core.NAME == "python":
        # The type is immutable for Python, and to put another in its place would break `isinstance`.
        return []
    c_core: Any = core
    simple_queue = queue.SimpleQueue
    get = c_core.simple_queue_get(simple_queue, _observed_get(simple_queue.get))
    return [] if get is None else [Replacement(simple_queue, "get", get)]


def in_futures(base: ModuleType) -> list[Replacement]:
    """Futures, and several of them at once."""
    _learn("future", base.Future.result, base.Future.exception, base.wait, base.as_completed)
    return []


def in_executor(executor: ModuleType) -> list[Replacement]:
    """The workers of an executor: that they wait for a task is no blocking."""
    _learn(NOT_BLOCKING, executor._worker)
    return []


def _learn(kind: str, *functions: Any) -> None:
    for function in functions:
        while hasattr(function, "__wrapped__"):
            function = function.__wrapped__
        _kinds[function.__code__] = kind


def _observed_wait(original: Any) -> Any:
    @wraps(original)
    def wait(self: Any, timeout: float | None = None) -> bool:
        if timeout is not None and timeout <= 0:
            polled: bool = original(self, timeout)
            return polled
        began = core.monotonic_ns()
        try:
            told: bool = original(self, timeout)
        except RuntimeError:
            raise  # The lock is not held, so nobody waited.
        except BaseException:
            _record("condition", core.object_name(self._lock), began)
            raise
        _record("condition", core.object_name(self._lock), began)
        return told

    return wait


def _observed_join(original: Any, is_alive: Any) -> Any:
    @wraps(original)
    def join(self: Any, timeout: float | None = None) -> None:
        if not self.__dict__.get("_initialized") or not is_alive(self) or (timeout is not None and timeout <= 0):
            original(self, timeout)
            return
        # A thread that has ended no longer knows what it ran.
        target = describe_target(self._bootstrap)
        began = core.monotonic_ns()
        try:
            original(self, timeout)
        except RuntimeError:
            raise  # It would have waited for itself.
        except BaseException:
            _record("join", target, began)
            raise
        _record("join", target, began)

    return join


def _observed_get(original: Any) -> Any:
    def get(self: Any, block: bool = True, timeout: float | None = None) -> object:
        if not block or (timeout is not None and timeout <= 0):
            return original(self, block, timeout)
        began = core.monotonic_ns()
        try:
            return original(self, block, timeout)
        finally:
            _record("queue", None, began)

    return get


def _record(kind: str, name: str | None, began: int) -> None:
    """Add a wait that has ended, unless it was none of the program's."""
    try:
        ended = core.monotonic_ns()
        if core.serves_telemetry():
            return
        kind, site = _kind_and_site(kind, sys._getframe(2))
        if kind != NOT_BLOCKING:
            _waits.add((kind, name or "", site, ended - began))
    except Exception:
        core.count_fault()


def _kind_and_site(kind: str, frame: FrameType | None) -> tuple[str, RawSite]:
    """What the function nearest to the program waits for, and where the program called it."""
    site: RawSite = core.current_site()
    in_program = not site[1].startswith(OWN_FOLDER)
    caller = frame
    while frame is not None and not (in_program and frame.f_code.co_filename == site[1]):
        found = _kinds.get(frame.f_code)
        if found is not None:
            kind, caller = found, frame.f_back
        frame = frame.f_back
    if in_program or caller is None:
        return kind, site
    # A thread in which nothing of the program runs, such as that of a timer.
    return kind, describe_site(caller.f_code, caller.f_lasti, module_of(caller.f_globals))
