"""Makes events out of the tuples that the core buffered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from .._backend import core
from .._inspection.tracebacks import has_details
from .._process import clock
from .events import Event, SlowWait, SpanContext, ThreadFinished, UnhandledException
from .sites import Sites


def read_events() -> list[Event]:
    """The events recorded since the last call, oldest first. One that cannot be understood is counted as a fault."""
    raws = core.take_events()
    if raws:
        clock.calibrate()
    sites = Sites()
    events: list[Event] = []
    for kind, *fields in raws:
        try:
            events.append(_EVENT_MAKERS[kind](sites, *fields))
        except Exception:
            core.count_internal_error()
    return events


def _slow_wait(
    sites: Sites,
    lock: str,
    kind: str,
    location: str,
    ident: int,
    native_id: int,
    acquire_stack: Any,
    acquire_site: Any,
    owner_ident: int,
    owner_stack: Any,
    owner_site: Any,
    waiters: int,
    task: str | None,
    span: Any,
    owner_span: Any,
    started_ns: int,
    duration_ns: int,
    gil_wait_ns: int | None,
    outcome: Any,
) -> SlowWait:
    return SlowWait(
        lock=lock,
        kind=kind,
        location=location,
        ident=ident,
        native_id=native_id,
        acquire_stack=sites.stack(acquire_stack),
        acquire_site=sites[acquire_site],
        owner_ident=owner_ident,
        owner_stack=sites.stack(owner_stack),
        owner_site=sites[owner_site],
        waiters=waiters,
        started_at=clock.unix_time(started_ns),
        duration=duration_ns / 1e9,
        gil_wait=None if gil_wait_ns is None else gil_wait_ns / 1e9,
        outcome=outcome,
        task=task,
        span=_span_context(span, started_ns),
        owner_span=_span_context(owner_span, started_ns),
    )


def _thread_finished(
    sites: Sites,
    ident: int,
    native_id: int,
    target: str,
    starter: Any,
    requested_ns: int,
    start_delay_ns: int,
    lifetime_ns: int,
    cpu_time_ns: int,
    outcome: Any,
    starter_span: Any,
    thread_span: Any,
    starter_span_itself: Any,
) -> ThreadFinished:
    span, span_was_read, left_trace_ns = None, False, None
    if thread_span is not None:
        started_at_ns = _unix_ns(requested_ns + start_delay_ns)
        span, span_was_read, left_trace_ns = thread_span.outcome(
            starter_span_itself, started_at_ns, started_at_ns + lifetime_ns
        )
    return ThreadFinished(
        ident=ident,
        native_id=native_id,
        target=target,
        starter=sites[starter],
        requested_at=clock.unix_time(requested_ns),
        start_delay=start_delay_ns / 1e9,
        lifetime=lifetime_ns / 1e9,
        cpu_time=cpu_time_ns / 1e9,
        outcome=outcome,
        starter_span=_span_context(starter_span, requested_ns),
        span=_span_context(span, requested_ns),
        span_was_read=span_was_read,
        left_trace_at=None if left_trace_ns is None else left_trace_ns / 1e9,
    )


def _unhandled_exception(
    sites: Sites,
    type: str,
    message: str,
    target: str,
    ident: int,
    native_id: int,
    at_ns: int,
    trace: object,
    site: Any,
    source: Any,
    span: Any,
) -> UnhandledException:
    return UnhandledException(
        type=type,
        message=message if has_details() else "",
        target=target,
        ident=ident,
        native_id=native_id,
        at=clock.unix_time(at_ns),
        traceback=str(trace),
        site=sites[site],
        source=source,
        span=_span_context(span, at_ns),
    )


def _unix_ns(monotonic_ns: int) -> int:
    return round(clock.unix_time(monotonic_ns) * 1e9)


def _span_context(recorded: Any, at_ns: int) -> SpanContext | None:
    """Out of what the tracing library calls the context of a span, or the span of a thread that stands for its own."""
    context = recorded
    if recorded is not None and not isinstance(recorded, tuple):
        context = recorded.context_at(_unix_ns(at_ns))
    if context is None:
        return None
    state = tuple([(str(key), str(value)) for key, value in context.trace_state.items()])
    return SpanContext(context.trace_id, context.span_id, int(context.trace_flags), state)


_EVENT_MAKERS: Final[dict[str, Callable[..., Event]]] = {
    "slow_wait": _slow_wait,
    "thread_finished": _thread_finished,
    "unhandled_exception": _unhandled_exception,
}
