"""Exporter of spans through the application's own tracer provider.

For an application that has a tracer provider and sends its spans somewhere:

    telemetry.start("spans")                             # the global provider, whenever the application sets it
    telemetry.start(SpansExporter(tracer_provider))      # or a given one

A slow wait for a lock becomes a span in the waiter's trace, linked to the span of the lock's owner. A thread becomes a
span in its starter's trace, and code that runs in the thread sees the right current span. If the application sends no
spans, use the exporter `otlp`, which needs no provider.
"""

from __future__ import annotations

import atexit
from collections.abc import Sequence

from opentelemetry import _logs, trace
from opentelemetry._logs import LoggerProvider
from opentelemetry.trace import TracerProvider

from thread import telemetry
from thread.telemetry import Event, Snapshot

from ._otel.context import opentelemetry_tracing
from ._otel.span_builder import DEFAULT_PER_SECOND, SpanBuilder
from ._otel.suppression import suppressed

__all__ = ["SpansExporter"]


class SpansExporter:
    """Hands spans to a tracer provider, and log records of unhandled exceptions to a logger provider.

    The defaults are the global providers, looked up at each export because an application may set them late.
    `per_second` limits the spans of slow waits per lock, and of threads per target; bursts may be ten times as large,
    and the rest count as dropped.

    Raises RuntimeError for a version of OpenTelemetry whose current span cannot be read. It imports only the API.
    """

    def __init__(
        self,
        tracer_provider: TracerProvider | None = None,
        logger_provider: LoggerProvider | None = None,
        *,
        per_second: float = DEFAULT_PER_SECOND,
    ) -> None:
        self._given = (tracer_provider, logger_provider)
        self._per_second = per_second
        self._unsent = 0
        self._in_use: tuple[TracerProvider, LoggerProvider, SpanBuilder] | None = None
        self._tracing = opentelemetry_tracing()
        telemetry.begin_tracing(self._tracing)
        self._stop_before_the_providers()

    def export(self, snapshot: Snapshot, events: Sequence[Event]) -> int:
        """Build spans and log records. Returns the number of events that the limit dropped."""
        with suppressed():
            builder = self._builder()
            if self._sends_nowhere():
                self._unsent += len(events)
            return builder.build(events)

    def shutdown(self, timeout: float) -> None:
        """Leave the providers alone from now on. Shutting them down is up to the application.

        Raises ExportError if no tracer provider was ever set.
        """
        telemetry.end_tracing(self._tracing)
        atexit.unregister(self._stop)
        with suppressed():
            self._builder().finish()
        if self._unsent and self._sends_nowhere():
            raise telemetry.ExportError(
                f"lost the spans of {self._unsent} events, because no tracer provider is set: run the program under "
                "opentelemetry-instrument with opentelemetry-distro installed, or use the exporter otlp"
            )

    def after_fork_in_child(self) -> bool:
        """Leave the parent's unfinished data to the parent. The child sends its own data until it exits."""
        self._in_use = None
        self._unsent = 0
        return True

    def _sends_nowhere(self) -> bool:
        return self._in_use is not None and isinstance(self._in_use[0], trace.ProxyTracerProvider)

    def _builder(self) -> SpanBuilder:
        tracer_provider, logger_provider = self._given
        tracer_provider = tracer_provider or trace.get_tracer_provider()
        logger_provider = logger_provider or _logs.get_logger_provider()
        if self._in_use is None or self._in_use[:2] != (tracer_provider, logger_provider):
            builder = SpanBuilder(tracer_provider, logger_provider, self._per_second)
            self._in_use = (tracer_provider, logger_provider, builder)
            self._stop_before_the_providers()
        return self._in_use[2]

    def _stop_before_the_providers(self) -> None:
        # At exit, the SDK's providers shut down and take nothing more. The last registered function runs first.
        atexit.unregister(self._stop)
        atexit.register(self._stop)

    def _stop(self) -> None:
        telemetry.stop(only=self)
