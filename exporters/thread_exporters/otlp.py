"""What was recorded, as spans, metrics and log records sent by OTLP over HTTP.

    telemetry.start("otlp")                              # to where the standard variables of OpenTelemetry say

OTEL_EXPORTER_OTLP_ENDPOINT and the other variables of the protocol, OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES,
OTEL_TRACES_SAMPLER and the rest of the standard ones have their usual meaning; `none` in OTEL_TRACES_EXPORTER,
OTEL_METRICS_EXPORTER or OTEL_LOGS_EXPORTER leaves that signal out. The application needs no OpenTelemetry of its own;
where it has one, its spans and these find each other by their identifiers.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import LogRecordExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter

from thread import telemetry
from thread.telemetry import Event, Snapshot

from ._otel_context import opentelemetry_tracing
from ._otlp_pipeline import CollectedLogRecords, CollectedSpans, send
from ._spans import DEFAULT_PER_SECOND, SpanBuilder
from ._suppression import suppressed
from .otel_metrics import OtlpMetrics

__all__ = ["OtlpExporter"]


class OtlpExporter:
    """Sends spans, metrics and log records, each signal through an exporter of the SDK made from the environment.

    `per_second` limits the spans of slow waits for each lock, and of threads for each target, ten times as many at
    once. What is more than that, and what the receiver does not take, is counted as dropped. It starts no thread.

    Raises RuntimeError for an OpenTelemetry whose current span cannot be read.
    """

    def __init__(self, *, per_second: float = DEFAULT_PER_SECOND, resource: Resource | None = None) -> None:
        self._per_second = per_second
        self._given_resource = resource
        self._open()
        self._tracing = opentelemetry_tracing()
        if self._span_exporter is not None:
            telemetry.begin_tracing(self._tracing)

    def _open(self) -> None:
        # What the environment tells is told anew in a child: each process is an instance of its own.
        resource = self._given_resource or Resource.create()
        self._span_exporter: SpanExporter | None = OTLPSpanExporter() if _wanted("TRACES") else None
        self._log_exporter: LogRecordExporter | None = OTLPLogExporter() if _wanted("LOGS") else None
        self._metrics = OtlpMetrics(resource=resource) if _wanted("METRICS") else None
        self._spans, self._log_records = CollectedSpans(), CollectedLogRecords()
        tracer_provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        tracer_provider.add_span_processor(self._spans)
        logger_provider = LoggerProvider(resource=resource, shutdown_on_exit=False)
        logger_provider.add_log_record_processor(self._log_records)
        self._builder = SpanBuilder(tracer_provider, logger_provider, self._per_second)

    def export(self, snapshot: Snapshot, events: Sequence[Event]) -> int:
        """Send what happened since the last call, and the metrics as they are now. Returns how much was dropped."""
        with suppressed():
            dropped = self._builder.build(events) + self._send()
            if self._metrics is not None:
                self._metrics.export(snapshot, events)
        return dropped

    def _send(self) -> int:
        spans, records = self._spans.take(), self._log_records.take()
        dropped = 0
        if self._span_exporter is not None:
            dropped += send(spans, self._span_exporter.export)
        if self._log_exporter is not None:
            dropped += send(records, self._log_exporter.export)
        return dropped

    def shutdown(self, timeout: float) -> None:
        """Send what is left, and close the connections."""
        telemetry.end_tracing(self._tracing)
        with suppressed():
            self._builder.finish()
            self._send()
            if self._metrics is not None:
                self._metrics.shutdown(timeout)
            for exporter in (self._span_exporter, self._log_exporter):
                if exporter is not None:
                    exporter.shutdown()

    def after_fork_in_child(self) -> bool:
        """Open connections of its own, and send its own data from zero, the last of it when the child exits."""
        self._open()
        return True


def _wanted(signal: str) -> bool:
    return os.environ.get(f"OTEL_{signal}_EXPORTER", "").strip().lower() != "none"
