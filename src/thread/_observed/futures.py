"""Exceptions that end in a future nobody reads.

A task that fails leaves a watch in its future. If the future goes before anybody has asked for the exception, the watch
records it. A future that is still there when the process exits is not counted.
"""

from __future__ import annotations

import sys
from _thread import get_ident, get_native_id
from functools import wraps
from types import ModuleType

from .._backend import core
from .._base.resets import on_reset
from .._inspection.objects import namespace_of
from .._inspection.unhandled import record_exception
from .._patching.replacing import Replacement
from .._process.guards import guarded, is_internal_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

WATCH: Final = "_thread_telemetry_watch"
"""The attribute of a failed future that holds its watch."""


class _Watch:
    """Watch of one failed future. It keeps the exception as long as the future does, until somebody reads it."""

    __slots__ = ("at_ns", "count", "exception", "generation", "ident", "native_id", "span", "target")

    def __init__(self, exception: BaseException | None, target: str, count: Callable[[], object] | None) -> None:
        self.exception = exception
        self.target = target
        self.count = count
        self.generation = _generation
        self.ident, self.native_id = get_ident(), get_native_id()
        self.at_ns = core.monotonic_ns()
        self.span = core.current_span()

    def __del__(self, is_finalizing: Callable[[], bool] = sys.is_finalizing) -> None:
        try:
            exception, self.exception = self.exception, None
            if exception is not None and self.generation == _generation and not is_finalizing():
                self._record(exception)
        except Exception as error:
            if not is_internal_error(error):
                raise

    def _record(self, exception: BaseException) -> None:
        if self.count is not None:
            self.count()
        event = record_exception(
            exception, self.target, self.ident, self.native_id, self.at_ns, self.span, source="future"
        )
        if core.listening():
            core.push_event(event)

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        # The program may copy or pickle the attributes of a future of its own.
        return type(None), ()


_generation = 0
"""Generation of the counts: watches of an earlier one, such as the parent process's, do not count."""


def watch(future: Any, target: str, count: Callable[[], object]) -> None:
    """Call `count`, and record the exception, if this failed future is dropped before anybody reads it."""
    made = _Watch(future._exception, target, count)
    # A reader at this very moment sets the same attribute: one of the two comes first.
    if namespace_of(future).setdefault(WATCH, made) is not made:
        made.exception = None


def in_futures(base: ModuleType) -> list[Replacement]:
    """Replacements for the methods that ask for an exception."""
    future = base.Future
    replacements = [
        Replacement(future, "_Future__get_result", _observed_get_result(future._Future__get_result)),
        Replacement(future, "exception", _observed_exception(future.exception)),
    ]
    if hasattr(future, "_get_snapshot"):
        replacements.append(Replacement(future, "_get_snapshot", _observed_get_snapshot(future._get_snapshot)))
    return replacements


def _mark_read(future: Any) -> None:
    watch = namespace_of(future).setdefault(WATCH, _READ)
    if watch is not _READ:
        watch.exception = None


# Up to 3.13 an exception that is false, such as one of length zero, is not raised but counts as no exception.
_RAISES_WHAT_IS_FALSE: Final = sys.version_info >= (3, 14)


def _observed_get_result(original: Any) -> Any:
    # This raises by itself, as the original does, so that the exception's stack trace is no longer than before.
    @wraps(original)
    def __get_result(self: Any) -> Any:
        if self._exception is None:
            return original(self)
        if not _RAISES_WHAT_IS_FALSE and not self._exception:
            return self._result
        guarded(_mark_read, self)
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
            guarded(_mark_read, self)
        return found

    return exception


def _observed_get_snapshot(original: Any) -> Any:
    @wraps(original)
    def _get_snapshot(self: Any) -> Any:
        snapshot = original(self)
        if snapshot[3] is not None:
            guarded(_mark_read, self)
        return snapshot

    return _get_snapshot


@on_reset
def _zero() -> None:
    global _generation
    _generation += 1


_READ: Final = _Watch(None, "", None)
"""Stands for the watch of a future that was read before it had one."""
