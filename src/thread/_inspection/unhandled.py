"""Unhandled exceptions: counted, described while they still exist, and never kept."""

from __future__ import annotations

import sys

from .._base.accumulator import Accumulator
from .._base.interruptions import is_internal_error
from .._base.resets import on_reset
from .naming import RawSite
from .objects import is_a, namespace_of, set_attribute
from .targets import TARGET, thread_of
from .tracebacks import Trace, type_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final, Literal

    Source = Literal["thread", "future"]
    """Kind of object that the exception ended."""

    ExceptionEvent = tuple[str, str, str, str, int, int, int, Trace, RawSite, Source, object]
    """In the order of `UnhandledExceptionRow`."""

MAX_EXCEPTION_STATS: Final = 500


class _Total:
    __slots__ = ("at_ns", "count", "trace")

    def __init__(self) -> None:
        self.count = 0
        self.trace: Trace | None = None
        self.at_ns = 0


_totals: dict[tuple[str, str, Source], _Total] = {}


def _fold(record: tuple[str, str, Source, Trace, int]) -> None:
    kind, target, source, trace, at_ns = record
    key = (kind, target, source)
    if key not in _totals and len(_totals) >= MAX_EXCEPTION_STATS:
        key = ("other", "other", source)
    total = _totals.setdefault(key, _Total())
    total.count += 1
    total.trace = trace
    total.at_ns = at_ns


_records = Accumulator(_fold)


def record_exception(
    exception: BaseException,
    target: str,
    ident: int,
    native_id: int,
    at_ns: int,
    span: object,
    source: Source = "thread",
) -> ExceptionEvent:
    """Count an unhandled exception, and describe it by strings and numbers.

    Runs on the thread that dies or drops a future, since nothing may keep the exception alive until another thread has
    time for it. `span` is the context of the span in which it was raised. Safe in any signal handler and finalizer.
    """
    trace, kind = Trace(exception), type_of(exception)
    _records.add((kind, target, source, trace, at_ns))
    return (
        "unhandled_exception",
        kind,
        trace.message,
        target,
        ident,
        native_id,
        at_ns,
        trace,
        trace.site,
        source,
        span,
    )


class _Hook:
    """The hook that `threading` calls in a thread ended by an exception, while it handles the exception."""

    __slots__ = ("_original", "_record")

    def __init__(self, original: Any, record: Callable[[BaseException], None]) -> None:
        # A start that failed has left one already.
        self._original: Any = original._original if type(original) is _Hook else original
        self._record = record

    def __call__(self, thread: object) -> None:
        exception = sys.exc_info()[1]
        if exception is not None and not is_a(exception, SystemExit):
            try:
                self._record(exception)
            except Exception as error:
                if not is_internal_error(error):
                    raise
        del exception
        self._original(thread)


def watch_excepthook(function: object, record: Callable[[BaseException], None], target: str) -> None:
    """Record the unhandled exception of a `threading` thread that is about to start, before its own hook runs.

    `threading` catches the exception itself and calls the hook of the thread object; that hook still runs exactly as
    before. The thread object keeps the name of its target, since it forgets the target after the run.
    """
    thread: Any = thread_of(function)
    if thread is None:
        return
    set_attribute(thread, TARGET, target)
    original = namespace_of(thread).get("_invoke_excepthook")
    if original is not None:
        set_attribute(thread, "_invoke_excepthook", _Hook(original, record))


def read_exceptions() -> list[tuple[str, str, int, str, int, Source]]:
    """One row per type, target and source, in the order of `ExceptionRow`."""
    _records.settle()
    return [
        (kind, target, total.count, str(total.trace or ""), total.at_ns, source)
        for (kind, target, source), total in list(_totals.items())
    ]


@on_reset
def _zero() -> None:
    _records.reset()
    _totals.clear()
