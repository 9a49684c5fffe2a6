"""Waits that are no contention: for a condition, an event, a queue, a thread, a future.

All of them end up in one of three methods, which are replaced: `Condition.wait`, `Thread.join` and, with the C core,
`SimpleQueue.get`. What the program waited for is told by the functions of the standard library on the way there. A
wait that does not happen, since the queue has something or the event is set, never comes here and costs nothing.
"""

from __future__ import annotations

from functools import wraps
from types import ModuleType

from ._backend import core
from ._replacing import Replacement
from ._targets import describe_target

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

NOT_BLOCKING: Final = ""
"""The kind of what is recorded otherwise: waits for permits, the start of a thread, a worker without a task."""


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
        core.mark_blocking(function.__code__, kind)


def _observed_wait(original: Any) -> Any:
    @wraps(original)
    def wait(self: Any, timeout: float | None = None) -> bool:
        if timeout is not None and timeout <= 0:
            polled: bool = original(self, timeout)
            return polled
        row = core.blocking_row("condition", core.object_name(self._lock))
        began = core.monotonic_ns()
        try:
            told: bool = original(self, timeout)
        except RuntimeError:
            raise  # The lock is not held, so nobody waited.
        except BaseException:
            row.add_since(began)
            raise
        row.add_since(began)
        return told

    return wait


def _observed_join(original: Any, is_alive: Any) -> Any:
    @wraps(original)
    def join(self: Any, timeout: float | None = None) -> None:
        if not self.__dict__.get("_initialized") or not is_alive(self) or (timeout is not None and timeout <= 0):
            original(self, timeout)
            return
        # A thread that has ended no longer knows what it ran.
        row = core.blocking_row("join", describe_target(self._bootstrap))
        began = core.monotonic_ns()
        try:
            original(self, timeout)
        except RuntimeError:
            raise  # It would have waited for itself.
        except BaseException:
            row.add_since(began)
            raise
        row.add_since(began)

    return join


def _observed_get(original: Any) -> Any:
    def get(self: Any, block: bool = True, timeout: float | None = None) -> object:
        if not block or (timeout is not None and timeout <= 0):
            return original(self, block, timeout)
        row = core.blocking_row("queue", None)
        began = core.monotonic_ns()
        try:
            return original(self, block, timeout)
        finally:
            row.add_since(began)

    return get
