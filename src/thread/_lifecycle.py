"""Exceptions that nobody handled: counted, described while they still exist, and never kept."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from ._accumulator import Accumulator
from ._naming import UNKNOWN_SITE, RawSite, describe_site, is_internal, module_of, thread_of
from ._resets import on_reset

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final, Literal

    Source = Literal["thread", "future"]
    """What the exception ended."""

    ExceptionEvent = tuple[str, str, str, str, int, int, int, str, RawSite, Source, object]
    """The raw event: its kind, then the fields of `UnhandledException`."""

MAX_EXCEPTION_STATS: Final = 500
MAX_TEXT: Final = 64 * 1024


class _Total:
    __slots__ = ("at", "count", "traceback")

    def __init__(self) -> None:
        self.count = 0
        self.traceback = ""
        self.at = 0.0


_totals: dict[tuple[str, str, Source], _Total] = {}


def _fold(record: tuple[str, str, Source, str, float]) -> None:
    kind, target, source, text, at = record
    key = (kind, target, source)
    if key not in _totals and len(_totals) >= MAX_EXCEPTION_STATS:
        key = ("other", "other", source)
    total = _totals.setdefault(key, _Total())
    total.count += 1
    total.traceback = text
    total.at = at


_records = Accumulator(_fold)


def record_exception(
    exception: BaseException, target: str, ident: int, native_id: int, at_ns: int, span: object
) -> ExceptionEvent:
    """Count an exception that ended a thread, and describe it.

    Runs on the thread that dies, since nothing may keep the exception alive until another thread has time for it.
    """
    event = describe_exception(exception, target, ident, native_id, at_ns, source="thread", span=span)
    count_exception(event)
    return event


def count_exception(event: ExceptionEvent) -> None:
    """Count an exception that was described. Safe in any thread, signal handler and finalizer."""
    _, kind, _, target, _, _, _, text, _, source, _ = event
    _records.add((kind, target, source, text, time.time()))


def describe_exception(
    exception: BaseException, target: str, ident: int, native_id: int, at_ns: int, source: Source, span: object
) -> ExceptionEvent:
    """Describe an exception by strings and numbers, and by the context of the span that it was raised in."""
    import traceback

    text = "".join(traceback.format_exception(exception))
    if len(text) > MAX_TEXT:
        text = f"{text[: MAX_TEXT // 2]}\n[…]\n{text[-MAX_TEXT // 2 :]}"
    cls = type(exception)
    name = cls.__qualname__ if cls.__module__ == "builtins" else f"{cls.__module__}.{cls.__qualname__}"
    message = traceback.TracebackException.from_exception(exception, limit=0)
    return (
        "unhandled_exception",
        name,
        str(message)[:MAX_TEXT],
        target,
        ident,
        native_id,
        at_ns,
        text,
        _site_of(exception.__traceback__),
        source,
        span,
    )


def _site_of(traceback: TracebackType | None) -> RawSite:
    """The innermost frame of the program itself, else the innermost."""
    site = UNKNOWN_SITE
    fallback = UNKNOWN_SITE
    while traceback is not None:
        frame = traceback.tb_frame
        fallback = describe_site(frame.f_code, traceback.tb_lasti, module_of(frame.f_globals))
        if not is_internal(frame.f_code.co_filename):
            site = fallback
        traceback = traceback.tb_next
    return fallback if site is UNKNOWN_SITE else site


def watch_excepthook(function: object, record: Callable[[BaseException], None]) -> None:
    """Where a thread of `threading` is about to start, have its unhandled exception recorded before its hook runs.

    `threading` catches the exception itself and calls the hook that the thread object carries; that hook is still
    called exactly as before.
    """
    thread: Any = thread_of(function)
    if thread is None:
        return
    original = getattr(thread, "_invoke_excepthook", None)
    if original is None:
        return
    # A start that failed has left one already.
    original = getattr(original, "replaces", original)

    def invoke_excepthook(thread: object) -> None:
        exception = sys.exc_info()[1]
        if exception is not None and not isinstance(exception, SystemExit):
            record(exception)
        del exception
        original(thread)

    invoke_excepthook.replaces = original  # type: ignore[attr-defined]
    thread._invoke_excepthook = invoke_excepthook


def read_exceptions() -> list[tuple[str, str, int, str, float, Source]]:
    """One row per type, target and source: with count, last stack trace, and when that was in Unix seconds."""
    _records.settle()
    return [(kind, target, t.count, t.traceback, t.at, source) for (kind, target, source), t in list(_totals.items())]


@on_reset
def _zero() -> None:
    _records.reset()
    _totals.clear()
