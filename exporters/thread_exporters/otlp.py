"""Exporter of spans, metrics and log records over OTLP/HTTP.

    telemetry.start("otlp")                              # to the endpoint in OpenTelemetry's standard variables

OTEL_SDK_DISABLED, OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, OTEL_TRACES_SAMPLER and
the other standard variables have their usual meaning. `none` in OTEL_TRACES_EXPORTER, OTEL_METRICS_EXPORTER or
OTEL_LOGS_EXPORTER turns that signal off. The application does not need to set up OpenTelemetry. If it does, its spans
and ours refer to each other by their identifiers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk import resources
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider

from thread import telemetry
from thread.telemetry import Event, Snapshot, monotonic

from ._otel.context import opentelemetry_tracing
from ._otel.environment import Signal, check_protocol, is_wanted, metric_interval, metric_timeout
from ._otel.metric_data import MetricsOfSnapshots
from ._otel.span_builder import DEFAULT_PER_SECOND, SpanBuilder
from ._otel.suppression import suppressed
from ._otlp.connection import Deadline
from ._otlp.pipeline import CollectedLogRecords, CollectedSpans, Sender

__all__ = ["OtlpExporter"]

SHARE_OF_TIMEOUT: Final = 0.9
"""Fraction of `export_timeout` for all requests of one export, so that it ends before it counts as hung."""


class OtlpExporter:
    """Sends spans, metrics and log records, each signal through an exporter of the SDK made from the environment.

    `per_second` limits the spans of slow waits per lock, and of threads per target; bursts may be ten times as large.
    Spans beyond the limit, and anything that the receiver refuses, count as dropped. All requests of one export end
    within `export_timeout`, and one line in the log says why they failed. It starts no thread.

    Raises RuntimeError for a version of OpenTelemetry whose current span cannot be read.
    """

    def __init__(self, *, per_second: float = DEFAULT_PER_SECOND, resource: Resource | None = None) -> None:
        self._per_second = per_second
        self._given_resource = resource
        check_protocol([signal for signal in _EXPORTERS if is_wanted(signal)])
        self._metric_interval = metric_interval()
        self._metric_timeout = metric_timeout()
        self._resource = self._given_resource or Resource.create()
        self._open()
        self._tracing = opentelemetry_tracing()
        if is_wanted("traces"):
            telemetry.begin_tracing(self._tracing)

    def _open(self) -> None:
        resource = self._resource
        self._deadline = Deadline()
        self._senders = [
            Sender(signal, make, self._deadline) for signal, make in _EXPORTERS.items() if is_wanted(signal)
        ]
        self._metrics = MetricsOfSnapshots(resource) if is_wanted("metrics") else None
        self._metrics_due = monotonic()
        self._spans, self._log_records = CollectedSpans(), CollectedLogRecords()
        tracer_provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        tracer_provider.add_span_processor(self._spans)
        logger_provider = LoggerProvider(resource=resource, shutdown_on_exit=False)
        logger_provider.add_log_record_processor(self._log_records)
        self._builder = SpanBuilder(tracer_provider, logger_provider, self._per_second)

    def export(self, snapshot: Snapshot, events: Sequence[Event]) -> int:
        """Send everything since the last call, and the current metrics. Returns the number of dropped items.

        Raises ExportError if something could not be sent.
        """
        with suppressed():
            dropped = self._builder.build(events)
            return self._deliver(self._built() | self._metrics_now(snapshot, events), dropped)

    def _built(self) -> dict[Signal, Sequence[Any]]:
        return {"traces": self._spans.take(), "logs": self._log_records.take()}

    def _metrics_now(self, snapshot: Snapshot, events: Sequence[Event]) -> dict[Signal, Sequence[Any]]:
        if self._metrics is None:
            return {}
        self._metrics.observe(events)
        now = monotonic()
        if now < self._metrics_due and not self._deadline.is_last:
            return {}
        self._metrics_due = now + self._metric_interval
        return {"metrics": [self._metrics.produce(snapshot)]}

    def _deliver(self, items: dict[Signal, Sequence[Any]], dropped: int) -> int:
        self._deadline.begin(telemetry.configure().export_timeout * SHARE_OF_TIMEOUT)
        senders = [sender for sender in self._senders if items.get(sender.signal)]
        # A signal that failed last time goes last, so that it does not use up the time of the others.
        senders.sort(key=lambda sender: sender.trouble is not None)
        for position, sender in enumerate(senders):
            left = self._deadline.left()
            seconds = left / (len(senders) - position) if self._deadline.is_last else left
            if sender.signal == "metrics":
                seconds = min(seconds, self._metric_timeout)
            lost = sender.deliver(items[sender.signal], seconds)
            # Lost metrics do not count as dropped, because the next ones contain them.
            dropped += 0 if sender.signal == "metrics" else lost
        if failed := [sender for sender in senders if sender.trouble is not None]:
            signals = " and ".join(sender.signal for sender in failed)
            raise telemetry.ExportError(f"cannot send {signals} to {failed[0].endpoint}: {failed[0].trouble}", dropped)
        return dropped

    def finish_by(self, deadline: float) -> None:
        """Make the last requests end in time."""
        now = monotonic()
        self._deadline.set_last(now + (deadline - now) * SHARE_OF_TIMEOUT)

    def shutdown(self, timeout: float) -> None:
        """Send the rest and close the connections."""
        telemetry.end_tracing(self._tracing)
        self.finish_by(monotonic() + timeout)
        with suppressed():
            try:
                self._builder.finish()
                self._deliver(self._built(), 0)
            finally:
                for sender in self._senders:
                    sender.exporter.shutdown()

    def after_fork_in_child(self) -> bool:
        """Open new connections. The child sends its own data, which starts from zero, until it exits."""
        if self._given_resource is None:
            self._resource = _resource_of_child(self._resource)
        self._open()
        return True


def _resource_of_child(parents: Resource) -> Resource:
    """Make a new resource from the environment, because each process is a service instance of its own."""
    try:
        return Resource.create()
    except RuntimeError:
        # The SDK runs its detectors in threads, and a child that is already exiting cannot start any.
        own = parents
        # The first of these is newer than 1.40.
        for name in ("ServiceInstanceIdResourceDetector", "OTELResourceDetector"):
            detector = getattr(resources, name, None)
            own = own if detector is None else own.merge(detector().detect())
        return own


_EXPORTERS: Final[dict[Signal, Callable[..., Any]]] = {
    "traces": OTLPSpanExporter,
    "logs": OTLPLogExporter,
    "metrics": OTLPMetricExporter,
}
