"""Exporter of spans through the tracer provider that the application has set up.

For an application that has a tracer provider and sends its spans somewhere:

    telemetry.start("spans")                             # the global provider, whenever the application sets it
    telemetry.start(SpansExporter(tracer_provider))      # or one that is given

From then on a slow wait for a lock is a span in the trace of whoever waited, linked to the span of whoever held the
lock; a thread is a span in the trace of its starter, and what is done in it finds the right current span. Where nothing
sends spans yet, the exporter `otlp` does all of it.
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
    """Hands spans to a tracer provider and log records of unhandled exceptions to a logger provider.

    Those that are not given are the global ones, looked up at each export, since an application may set them late.
    `per_second` limits the spans of slow waits for each lock, and of threads for each target, ten times as many at
    once; the rest are counted as dropped.

    Raises RuntimeError for an OpenTelemetry whose current span cannot be read. Only the API is imported.
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
        """Build the spans and log records. Returns how many events were too many."""
        with suppressed():
            builder = self._builder()
            if self._sends_nowhere():
                self._unsent += len(events)
            return builder.build(events)

    def shutdown(self, timeout: float) -> None:
        """Leave the providers alone from now on; to shut them down is up to the application.

        Raises ExportError if there was none that takes spans, until the end.
        """
        telemetry.end_tracing(self._tracing)
        atexit.unregister(self._stop)
        with suppressed():
            self._builder().finish()
        if self._unsent and self._sends_nowhere():
            raise telemetry.ExportError(
                f"{self._unsent} events became no spans, since nobody has set a tracer provider; "
                "opentelemetry-instrument does where opentelemetry-distro is installed, the exporter otlp needs none"
            )

    def after_fork_in_child(self) -> bool:
        """Leave to the parent what it had not finished. The child sends the last of its own data itself."""
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
        # Those of the SDK take nothing more once the interpreter has shut them down at exit, last registered first.
        atexit.unregister(self._stop)
        atexit.register(self._stop)

    def _stop(self) -> None:
        telemetry.stop(only=self)
