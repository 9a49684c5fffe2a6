"""Exceptions that end in a future nobody reads.

A task that fails has its future watched: whether anybody asks for the exception before the future is gone. What is
kept until then are strings and numbers. A future that is still there when the process exits is not counted.
"""

from __future__ import annotations

from _thread import get_ident, get_native_id
from functools import wraps
from types import ModuleType
from weakref import ref

from ._backend import core
from ._lifecycle import count_exception, describe_exception
from ._replacing import Replacement
from ._resets import on_reset

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

    from ._lifecycle import ExceptionEvent

MAX_WATCHED: Final = 10_000
"""Failed futures of which nobody knows yet whether they will be read. More are not looked at."""


class _Watch:
    """One failed future."""

    __slots__ = ("count", "event", "is_read", "reference")

    def __init__(self, future: Any, event: ExceptionEvent, count: Callable[[], object]) -> None:
        self.is_read = False
        self.event = event
        self.count = count
        self.reference = ref(future, lambda _: self._gone())

    def _gone(self) -> None:
        _watched.pop(id(self), None)
        if not self.is_read:
            self.count()
            count_exception(self.event)
            if core.listening():
                core.push_event(self.event)


_READ: Final = object()
_watched: dict[int, _Watch] = {}


def watch(future: Any, target: str, count: Callable[[], object]) -> None:
    """Call `count`, and record the exception, if this failed future is dropped before anybody reads it."""
    try:
        if future._telemetry is _READ or len(_watched) >= MAX_WATCHED:
            return
        event = describe_exception(
            future._exception,
            target,
            get_ident(),
            get_native_id(),
            core.monotonic_ns(),
            source="future",
            span=core.current_span(),
        )
        watched = _Watch(future, event, count)
        _watched[id(watched)] = watched
        if future._telemetry is _READ:
            watched.is_read = True
        else:
            future._telemetry = watched
    except Exception:
        core.count_fault()


def in_futures(base: ModuleType) -> list[Replacement]:
    """What asks for an exception."""
    future = base.Future
    replacements = [
        Replacement(future, "_telemetry", None),
        Replacement(future, "_Future__get_result", _observed_get_result(future._Future__get_result)),
        Replacement(future, "exception", _observed_exception(future.exception)),
    ]
    if hasattr(future, "_get_snapshot"):
        replacements.append(Replacement(future, "_get_snapshot", _observed_get_snapshot(future._get_snapshot)))
    return replacements


def _mark_read(future: Any) -> None:
    watched = future._telemetry
    if isinstance(watched, _Watch):
        watched.is_read = True
    future._telemetry = _READ


def _observed_get_result(original: Any) -> Any:
    # It raises by itself, as the original does, so that the stack trace of the exception is no longer than before.
    @wraps(original)
    def __get_result(self: Any) -> Any:
        if not self._exception:
            return original(self)
        _mark_read(self)
        try:
            raise self._exception
        finally:
            self = None

    return __get_result


def _observed_exception(original: Any) -> Any:
    @wraps(original)
    def exception(self: Any, timeout: float | None = None) -> Any:
        found = original(self, timeout)
        if found is not None:
            _mark_read(self)
        return found

    return exception


def _observed_get_snapshot(original: Any) -> Any:
    @wraps(original)
    def _get_snapshot(self: Any) -> Any:
        snapshot = original(self)
        if snapshot[3] is not None:
            _mark_read(self)
        return snapshot

    return _get_snapshot


@on_reset
def _zero() -> None:
    _watched.clear()
