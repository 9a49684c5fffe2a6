"""Conversion of events to spans in the traces that they belong to.

A slow wait becomes a span in the waiter's trace, linked to the span of the lock's owner. A thread becomes a span in its
starter's trace if the starter's span stayed open until the thread ended; otherwise it gets a trace of its own, linked
to its starter. The exporting thread builds all spans after the fact, with their true times.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Any, Final

from opentelemetry._logs import LoggerProvider
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, Tracer, TracerProvider

from thread.telemetry import Event, Site, SlowWait, SpanContext, ThreadFinished, UnhandledException

from .._schema.encodable import encodable, encodable_attributes
from .._schema.site_attributes import site_attributes
from . import scope
from .context import parent_context, span_context
from .exceptions import attributes_of, emit_log_record, signal_from_environment, summary_of
from .identifiers import SystemIds
from .rate_limit import RateLimit

MAX_STACK: Final = 8_000
"""Maximum length of a stack in characters. Outer frames are omitted first."""

MAX_REMEMBERED: Final = 10_000

DEFAULT_PER_SECOND: Final = 10.0
BURST_SECONDS: Final = 10.0


class SpanBuilder:
    """Builds spans, and log records of exceptions, for the given providers. Not thread-safe.

    `per_second` limits the spans of slow waits per lock, and those of threads per target; bursts may be ten times as
    large. The rest is dropped, except for threads whose span is the parent of other spans.
    """

    def __init__(
        self,
        tracer_provider: TracerProvider,
        logger_provider: LoggerProvider | None,
        per_second: float = DEFAULT_PER_SECOND,
    ) -> None:
        self._tracer = tracer_provider.get_tracer(scope.NAME, scope.VERSION, scope.SCHEMA_URL)
        self._logger_provider = logger_provider
        self._ids = chosen_ids(self._tracer)
        self._signal = signal_from_environment()
        self._limit = RateLimit(per_second, per_second * BURST_SECONDS)
        self._parents: OrderedDict[int, None] = OrderedDict()
        self._exceptions: OrderedDict[int, UnhandledException] = OrderedDict()

    def build(self, events: Sequence[Event]) -> int:
        """Build spans and log records for these events. Returns the number of events that the limit dropped."""
        dropped = 0
        for event in events:
            if isinstance(event, SlowWait):
                dropped += not self._wait(event)
            elif isinstance(event, ThreadFinished):
                dropped += not self._thread(event)
            else:
                self._exception(event)
        return dropped

    def finish(self) -> None:
        """Send the exceptions of threads whose end was not seen."""
        while self._exceptions:
            _, event = self._exceptions.popitem(last=False)
            self._log(event, event.span)

    # ---- waits ----

    def _wait(self, event: SlowWait) -> bool:
        ended_at = event.started_at + event.duration
        name = f"{_waits_for(event)} wait {event.lock}"
        if not self._limit.allows(name, ended_at):
            return False
        if event.span is not None:
            _remember(self._parents, event.span.span_id, None)
        links = _links(event.owner_span, "python.lock.link", "owner")
        span = self._start(name, event.span, wait_attributes(event), links, event.started_at)
        if event.outcome != "acquired":
            span.set_status(Status(StatusCode.ERROR, event.outcome))
        span.end(_nanoseconds(ended_at))
        return True

    # ---- threads ----

    def _thread(self, event: ThreadFinished) -> bool:
        started_at = event.requested_at + event.start_delay
        ended_at = started_at + event.lifetime
        if not (self._is_parent(event) or self._limit.allows(f"{event.outcome} {event.target}", ended_at)):
            self._exceptions.pop(event.ident, None)
            return False
        name, attributes = f"thread {event.target}", thread_attributes(event)
        if event.span is not None and event.left_trace_at is None:
            lifetime = self._start(name, event.starter_span, attributes, [], started_at, event.span.span_id)
        else:
            links = _links(event.starter_span, "python.thread.link", "starter")
            lifetime = self._start(name, None, attributes, links, started_at)
        self._add_exception(lifetime, event)
        lifetime.end(_nanoseconds(ended_at))
        if event.span is not None and event.left_trace_at is not None and self._is_parent(event):
            # Spans made before the thread left the starter's trace have their parent there.
            links = [Link(lifetime.get_span_context(), {"python.thread.link": "lifetime"})]
            part = self._start(name, event.starter_span, attributes, links, started_at, event.span.span_id)
            part.end(_nanoseconds(max(started_at, event.left_trace_at)))
        return True

    def _is_parent(self, event: ThreadFinished) -> bool:
        """True if the thread's span in the trace of its starter may be the parent of other spans."""
        return event.span is not None and (event.span_was_read or event.span.span_id in self._parents)

    # ---- exceptions ----

    def _exception(self, event: UnhandledException) -> None:
        if event.source == "thread":
            # The event for the end of the thread comes next, and has the span that the exception belongs to.
            _remember(self._exceptions, event.ident, event)
        else:
            self._log(event, event.span)

    def _add_exception(self, span: Span, finished: ThreadFinished) -> None:
        event = self._exceptions.pop(finished.ident, None) if finished.outcome == "raised" else None
        if finished.outcome == "raised":
            span.set_status(Status(StatusCode.ERROR, summary_of(event) if event else None))
        if event is None:
            return
        span.set_attribute("error.type", event.type)
        if self._signal.span_events:
            span.add_event("exception", attributes_of(event), _nanoseconds(event.at))
        context = span.get_span_context()
        self._log(event, SpanContext(context.trace_id, context.span_id, int(context.trace_flags)))

    def _log(self, event: UnhandledException, span: SpanContext | None) -> None:
        if self._logger_provider is not None and self._signal.log_records:
            emit_log_record(self._logger_provider, event, span)

    # ---- the tracer ----

    def _start(
        self,
        name: str,
        parent: SpanContext | None,
        attributes: dict[str, Any],
        links: list[Link],
        started_at: float,
        span_id: int | None = None,
    ) -> Span:
        self._ids.next_span_id = span_id
        try:
            return self._tracer.start_span(
                encodable(name),
                parent_context(parent),
                SpanKind.INTERNAL,
                encodable_attributes(attributes.items()),
                links,
                _nanoseconds(started_at),
            )
        finally:
            self._ids.next_span_id = None


class ChosenIds:
    """A tracer's identifier generator that lets us choose the identifier of the next span.

    When the span of a thread is finally built, its identifier is already in use as the parent of other spans.
    """

    def __init__(self, generator: Any) -> None:
        self._generator = generator
        self.next_span_id: int | None = None

    def generate_span_id(self) -> int:
        return self.next_span_id or int(self._generator.generate_span_id())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._generator, name)


def chosen_ids(tracer: Tracer) -> ChosenIds:
    """Install and return a `ChosenIds` on this tracer, which is ours alone."""
    generator = getattr(tracer, "id_generator", None)
    if isinstance(generator, ChosenIds):
        return generator
    is_default = type(generator).__module__ == "opentelemetry.sdk.trace.id_generator"
    ids = ChosenIds(SystemIds() if is_default else generator)
    # A tracer of the API alone has no generator, because it records nothing.
    if generator is not None:
        tracer.id_generator = ids  # type: ignore[attr-defined]
    return ids


_LOCKS: Final = ("lock", "rlock", "semaphore", "bounded_semaphore")


def _waits_for(event: SlowWait) -> str:
    return "lock" if event.kind in _LOCKS else event.kind


def wait_attributes(event: SlowWait) -> dict[str, Any]:
    """Return the attributes for the span of a slow wait."""
    subject = "lock" if event.kind in _LOCKS else "blocking"
    attributes: dict[str, Any] = {
        f"python.{subject}.name": event.lock,
        f"python.{subject}.type": event.kind,
        **site_attributes("code", event.acquire_site),
        "thread.id": event.ident,
        "code.stacktrace": stack_text(event.acquire_stack),
        "python.lock.wait.outcome": event.outcome,
    }
    if subject == "lock":
        attributes["python.lock.waiters"] = event.waiters
    if event.owner_ident:
        attributes |= {
            **site_attributes("python.lock.owner", event.owner_site),
            "python.lock.owner.thread.id": event.owner_ident,
            "python.lock.owner.stacktrace": stack_text(event.owner_stack),
        }
    if event.gil_wait is not None:
        attributes |= {
            "python.lock.wait.lock.duration": event.duration - event.gil_wait,
            "python.lock.wait.gil.duration": event.gil_wait,
        }
    if event.task is not None:
        attributes["python.asyncio.task.name"] = event.task
    return attributes


def thread_attributes(event: ThreadFinished) -> dict[str, Any]:
    """Return the attributes for the span of a thread."""
    return {
        "python.thread.target": event.target,
        "thread.id": event.ident,
        "python.thread.native_id": event.native_id,
        "python.thread.start.duration": event.start_delay,
        "python.thread.cpu.time": event.cpu_time,
        "python.thread.outcome": event.outcome,
        **site_attributes("python.thread.starter", event.starter),
    }


def stack_text(stack: Iterable[Site]) -> str:
    """Format a stack the way the interpreter prints it, with the innermost frame last."""
    lines: list[str] = []
    left = MAX_STACK
    for site in stack:
        line = f'  File "{site.file}", line {site.line}, in {site.function}\n'
        left -= len(line)
        if left < 0:
            lines.append("  …\n")
            break
        lines.append(line)
    return "".join(reversed(lines))


def _links(recorded: SpanContext | None, attribute: str, relation: str) -> list[Link]:
    return [] if recorded is None else [Link(span_context(recorded), {attribute: relation})]


def _remember(table: OrderedDict[int, Any], key: int, value: Any) -> None:
    table[key] = value
    if len(table) > MAX_REMEMBERED:
        table.popitem(last=False)


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)
