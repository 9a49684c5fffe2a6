"""Blocking waits, which are no contention: for a condition, an event, a queue, a thread, a future.

All of them end up in one of three methods, which are replaced: `Condition.wait`, `Thread.join` and, with the C core,
`SimpleQueue.get`. The functions of the standard library on the stack tell what the program waits for. A wait that does
not happen, because the queue has an item or the event is set, never comes here and costs nothing.
"""

from __future__ import annotations

import sys
from _thread import get_ident, get_native_id
from functools import wraps
from types import ModuleType

from .._backend import core
from .._base.code_origin import library_of
from .._inspection.naming import UNKNOWN_SITE
from .._inspection.objects import as_text, attribute, module_namespace
from .._inspection.targets import describe_target
from .._patching.living_on import do_what_is_due, due
from .._patching.replacing import Replacement
from .._process.guards import guarded
from .named_waits import name_given, name_of_wait

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

NOT_BLOCKING: Final = ""
"""Kind of waits that are recorded elsewhere: for permits, for the start of a thread, of a worker without a task."""


def in_threading(threading: ModuleType) -> list[Replacement]:
    """Replacements for conditions, classes built on them, and joining threads."""
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
    """Replacements for all kinds of queue."""
    _learn("queue", queue.Queue.get, queue.Queue.put, queue.Queue.join)
    if core.NAME == "python":
        # The type is immutable for Python, and replacing it would break `isinstance`.
        return []
    c_core: Any = core
    simple_queue = queue.SimpleQueue
    get = c_core.simple_queue_get(simple_queue, _observed_get(simple_queue.get))
    return [] if get is None else [Replacement(simple_queue, "get", get)]


def in_futures(base: ModuleType) -> list[Replacement]:
    """Replacements for waits for futures, single ones and several at once."""
    _learn("future", base.Future.result, base.Future.exception, base.wait, base.as_completed)
    return []


def in_executor(executor: ModuleType) -> list[Replacement]:
    """Replacement for the workers of an executor: a worker that waits for a task is not blocked."""
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
        wait = guarded(_Wait, "condition", self)
        try:
            told: bool = original(self, timeout)
        except RuntimeError:
            raise  # The lock is not held, so nobody waited.
        except BaseException:
            guarded(_end, wait, "interrupted")
            raise
        guarded(_end, wait, "acquired" if told else "timed out")
        return told

    return wait


def _observed_join(original: Any, is_alive: Any) -> Any:
    @wraps(original)
    def join(self: Any, timeout: float | None = None) -> None:
        if (timeout is not None and timeout <= 0) or not self.__dict__.get("_initialized") or not is_alive(self):
            original(self, timeout)
            return
        wait = guarded(_Wait, "join", self)
        try:
            original(self, timeout)
        except RuntimeError:
            raise  # It would have waited for itself.
        except BaseException:
            guarded(_end, wait, "interrupted")
            raise
        guarded(_end, wait, "acquired")

    return join


def _observed_get(original: Any) -> Any:
    def get(self: Any, block: bool = True, timeout: float | None = None) -> object:
        if not block or (timeout is not None and timeout <= 0):
            return original(self, block, timeout)
        wait = guarded(_Wait, "queue", self)
        try:
            item: object = original(self, block, timeout)
        except BaseException as error:
            # The type that `queue` has by then; C code makes this one.
            guarded(_end, wait, "timed out" if type(error).__name__ == "Empty" else "interrupted")
            raise
        guarded(_end, wait, "acquired")
        return item

    return get


def _end(wait: _Wait | None, outcome: str) -> None:
    if wait is not None:
        wait.end(outcome)


class _Wait:
    """One wait. Slow work comes before it, since work at its end would delay the thread that was waited for."""

    __slots__ = ("_began", "_library", "_location", "_progress", "_row")

    def __init__(self, kind: str, waited_for: Any) -> None:
        if due:
            guarded(do_what_is_due)
        name: str | None = None
        self._library = self._location = None
        if kind == "join":
            # A thread that has ended no longer knows its target.
            name = describe_target(waited_for._bootstrap)
            self._library = _library_of_target(name)
        elif kind == "queue":
            name, self._library = name_given(waited_for)
        elif kind == "condition":
            lock = attribute(waited_for, "_lock")
            name, self._location = core.object_name(lock), core.object_location(lock)
            if self._location is not None:
                self._library = _library_at(self._location)
                name = guarded(name_of_wait, name, self._location, self._library) or name
        self._row = core.blocking_row(kind, name, self._library)
        self._progress = self._row.begin()
        self._began = self._progress.began

    def end(self, outcome: str) -> None:
        """Record the wait."""
        slow = self._row.add_since(self._began)
        self._progress.end()
        if slow is not None:
            self._give_evidence(slow, outcome)

    def _give_evidence(self, duration: int, outcome: str) -> None:
        """An event in the order of `SlowWaitRow`. The stack has not changed since the wait began.

        A thread that has nothing to do is no news. Without tracing, there are events only for waits in which an object
        of a library, such as a connection pool, holds up the program.
        """
        key: Any = self._row.key
        kind, name, site = key
        span = core.current_span()
        is_kept = self._library is not None and not site[1].startswith(self._library)
        if kind not in _WITH_EVIDENCE or (span is None and not is_kept):
            return
        core.push_event(
            ("slow_wait", name, kind, self._location or "", get_ident(), get_native_id())
            + (core.current_stack(), site, 0, (), UNKNOWN_SITE, 0, core.current_task(), span, None)
            + (self._began, duration, None, outcome)
        )


def _library_of_target(target: str) -> tuple[str, ...] | None:
    """The library whose own function a thread runs: its callers may have to wait for that thread."""
    module = sys.modules.get(target.partition(":")[0])
    file = as_text(module_namespace(module).get("__file__"))
    return _library_at(f"{file}:1") if file else None


_WITH_EVIDENCE: Final = ("condition", "event", "queue")

_libraries: Final[dict[str, tuple[str, ...] | None]] = {}


def _library_at(location: str) -> tuple[str, ...] | None:
    if location not in _libraries:
        _libraries[location] = library_of(location)
    return _libraries[location]
