"""OpenTelemetry's current span, and the span of a thread in the trace of its starter.

A thread that is started in a span belongs to the trace of that span as long as the span is open: spans made in the
thread have the thread's span as their parent. Once the starter's span has ended, the thread is on its own, because it
may live as long as the process. Its later spans begin traces of their own, so that unrelated requests do not merge into
one trace that lasts for hours (opentelemetry-java-instrumentation 910). A worker of an executor serves many requests
from the start, so it never belongs to the one that happened to come first.

This module uses only OpenTelemetry's API.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, Final, cast
from weakref import ref

from opentelemetry import context as context_api
from opentelemetry.context import Context
from opentelemetry.trace import (
    INVALID_SPAN,
    INVALID_SPAN_CONTEXT,
    NonRecordingSpan,
    Span,
    SpanContext,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

from thread import telemetry
from thread.telemetry import time_ns

from .identifiers import system

_CONTEXT_ATTRIBUTE: Final = "_context"
"""Attribute in which spans of the API and the SDK keep their context. The core reads it without a call; see
`telemetry.Tracing`."""

[_SPAN_KEY] = set_span_in_context(INVALID_SPAN, Context())


class ThreadSpan(NonRecordingSpan):
    """The span of a thread in the trace of its starter. `SpanBuilder` records it when the thread has ended.

    It is made as `telemetry.ThreadSpan` says, without a call to its constructor.
    """

    starter: ref[Span]
    starter_context: SpanContext | ThreadSpan
    end_time: int | None = None
    """Time in Unix nanoseconds when the thread ended or left the trace. The SDK's spans use the same name."""
    read_at: int | None = None
    """Time when its context was last read successfully."""

    def get_span_context(self) -> SpanContext:
        """Return the parent for new spans. It is invalid once the starter's span has ended."""
        if not self.is_open():
            return INVALID_SPAN_CONTEXT
        self.read_at = time_ns()
        return self.joined()

    @property
    def _context(self) -> SpanContext:  # type: ignore[override]
        return self.get_span_context()

    def joined(self) -> SpanContext:
        """Return its context in the trace of the starter, making it on first use."""
        attributes: dict[str, Any] = vars(self)
        made: SpanContext | None = attributes.get("_joined")
        if made is not None:
            return made
        starter = self.starter_context
        starter = starter.joined() if isinstance(starter, ThreadSpan) else starter
        identifier = system.getrandbits(64) or 1
        made = SpanContext(starter.trace_id, identifier, False, starter.trace_flags, starter.trace_state)
        # The thread and the reader of its events may get here at the same time. Both must get the same context.
        joined: SpanContext = attributes.setdefault("_joined", made)
        return joined

    def is_open(self) -> bool:
        """True while the starter's span is open, and the span in which the starter itself was started."""
        if self.end_time is None and not _is_open(self.starter()):
            self._leave(time_ns())
        return self.end_time is None

    def context_at(self, at_ns: int) -> SpanContext | None:
        """See `telemetry.ThreadSpan`."""
        self._look_at(self.starter())
        return self.joined() if self.end_time is None or at_ns <= self.end_time else None

    def outcome(self, starter: Span | None, started_ns: int, ended_ns: int) -> tuple[SpanContext, bool, int | None]:
        """See `telemetry.ThreadSpan`."""
        self._look_at(starter)
        if starter is None:
            # The starter's span is gone, and nobody has been given a context since.
            self._leave(self.read_at or started_ns)
        left = self.end_time if self.end_time is not None and self.end_time < ended_ns else None
        self._leave(ended_ns)
        return self.joined(), self.read_at is not None, left

    def _look_at(self, starter: Span | None) -> None:
        ended_ns = getattr(starter, "end_time", None)
        if ended_ns is not None:
            self._leave(ended_ns)

    def _leave(self, at_ns: int) -> None:
        if self.end_time is None:
            self.end_time = at_ns


def _is_open(span: Span | None) -> bool:
    # A span that is not recorded has no end time. It counts as open as long as it exists.
    if isinstance(span, ThreadSpan):
        return span.is_open()
    return span is not None and getattr(span, "end_time", None) is None


def _prepare_thread(thread: Any, span: ThreadSpan) -> bool:
    if _serves_many(thread):
        return False
    # opentelemetry-instrumentation-threading activates the starter's context around `run`, after us.
    theirs = getattr(thread, "_otel_context", None)
    if isinstance(theirs, Context):
        thread._otel_context = set_span_in_context(span, theirs)
    return True


def _enter(span: ThreadSpan, inherited: Context | None) -> Context:
    return set_span_in_context(span, inherited or Context())


def _serves_many(thread: Any) -> bool:
    return getattr(getattr(thread, "_target", None), "__module__", None) == "concurrent.futures.thread"


def _context_variable() -> ContextVar[Any]:
    # The API exposes the variable only through the token of an attachment.
    token = context_api.attach(context_api.get_current())
    context_api.detach(token)
    return cast("ContextVar[Any]", token.var)


def opentelemetry_tracing() -> telemetry.Tracing:
    """Describe OpenTelemetry to `telemetry.begin_tracing`.

    Raises RuntimeError if OpenTelemetry does not keep its context in a context variable (OTEL_PYTHON_CONTEXT may choose
    something else), or if spans keep theirs in another place.
    """
    marker = SpanContext(1, 1, is_remote=False)
    span = NonRecordingSpan(marker)
    if vars(span).get(_CONTEXT_ATTRIBUTE) is not marker:
        raise RuntimeError("expected an opentelemetry-api whose spans keep their context in _context")
    try:
        variable = _context_variable()
    except AttributeError:
        raise RuntimeError("expected OpenTelemetry to keep its context in a context variable") from None
    return telemetry.Tracing(variable, _SPAN_KEY, _CONTEXT_ATTRIBUTE, Context, ThreadSpan, _prepare_thread, _enter)


def span_context(recorded: telemetry.SpanContext) -> SpanContext:
    """Convert a recorded span context to OpenTelemetry's type."""
    return SpanContext(
        recorded.trace_id,
        recorded.span_id,
        is_remote=False,
        trace_flags=TraceFlags(recorded.trace_flags),
        trace_state=TraceState(recorded.trace_state),
    )


def parent_context(recorded: telemetry.SpanContext | None) -> Context:
    """Make the context for a span with a recorded parent, or for one that begins a trace."""
    if recorded is None:
        return Context()
    return set_span_in_context(NonRecordingSpan(span_context(recorded)), Context())
