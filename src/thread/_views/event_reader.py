"""Reader of events: the public events of the rows that the core buffered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from .._backend import core
from .._inspection.tracebacks import has_details
from .._process import clock
from .._rows import EVENT_ROWS, SlowWaitRow, ThreadFinishedRow, UnhandledExceptionRow, event_kind
from .events import Event, SlowWait, SpanContext, ThreadFinished, UnhandledException
from .sites import Sites


def read_events() -> list[Event]:
    """The events recorded since the last call, oldest first. A malformed one counts as an internal error."""
    rows = core.take_events()
    if rows:
        clock.calibrate()
    sites = Sites()
    events: list[Event] = []
    for row in rows:
        try:
            kind = event_kind(row)
            events.append(_EVENT_MAKERS[kind](sites, EVENT_ROWS[kind]._make(row)))
        except Exception:
            core.count_internal_error()
    return events


def _slow_wait(sites: Sites, row: SlowWaitRow) -> SlowWait:
    return SlowWait(
        lock=row.lock,
        kind=row.kind,
        location=row.location,
        ident=row.ident,
        native_id=row.native_id,
        acquire_stack=sites.stack(row.acquire_stack),
        acquire_site=sites[row.acquire_site],
        owner_ident=row.owner_ident,
        owner_stack=sites.stack(row.owner_stack),
        owner_site=sites[row.owner_site],
        waiters=row.waiters,
        started_at=clock.unix_time(row.started_ns),
        duration=row.duration_ns / 1e9,
        gil_wait=None if row.gil_wait_ns is None else row.gil_wait_ns / 1e9,
        outcome=row.outcome,
        task=row.task,
        span=_span_context(row.span, row.started_ns),
        owner_span=_span_context(row.owner_span, row.started_ns),
    )


def _thread_finished(sites: Sites, row: ThreadFinishedRow) -> ThreadFinished:
    span, span_was_read, left_trace_ns = None, False, None
    if row.thread_span is not None:
        started_at_ns = _unix_ns(row.requested_ns + row.start_delay_ns)
        span, span_was_read, left_trace_ns = row.thread_span.outcome(
            row.starter_span_itself, started_at_ns, started_at_ns + row.lifetime_ns
        )
    return ThreadFinished(
        ident=row.ident,
        native_id=row.native_id,
        target=row.target,
        starter=sites[row.starter],
        requested_at=clock.unix_time(row.requested_ns),
        start_delay=row.start_delay_ns / 1e9,
        lifetime=row.lifetime_ns / 1e9,
        cpu_time=row.cpu_time_ns / 1e9,
        outcome=row.outcome,
        starter_span=_span_context(row.starter_span, row.requested_ns),
        span=_span_context(span, row.requested_ns),
        span_was_read=span_was_read,
        left_trace_at=None if left_trace_ns is None else left_trace_ns / 1e9,
    )


def _unhandled_exception(sites: Sites, row: UnhandledExceptionRow) -> UnhandledException:
    return UnhandledException(
        type=row.type,
        message=row.message if has_details() else "",
        target=row.target,
        ident=row.ident,
        native_id=row.native_id,
        at=clock.unix_time(row.at_ns),
        traceback=str(row.traceback),
        site=sites[row.site],
        source=row.source,
        span=_span_context(row.span, row.at_ns),
    )


def _unix_ns(monotonic_ns: int) -> int:
    return round(clock.unix_time(monotonic_ns) * 1e9)


def _span_context(recorded: Any, at_ns: int) -> SpanContext | None:
    """The public context of a span, from the tracing library's own, or from a thread's span that stands for it."""
    context = recorded
    if recorded is not None and not isinstance(recorded, tuple):
        context = recorded.context_at(_unix_ns(at_ns))
    if context is None:
        return None
    state = tuple([(str(key), str(value)) for key, value in context.trace_state.items()])
    return SpanContext(context.trace_id, context.span_id, int(context.trace_flags), state)


_EVENT_MAKERS: Final[dict[str, Callable[[Sites, Any], Event]]] = {
    "slow_wait": _slow_wait,
    "thread_finished": _thread_finished,
    "unhandled_exception": _unhandled_exception,
}
