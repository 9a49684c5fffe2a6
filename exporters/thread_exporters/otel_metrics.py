"""Exporters of metrics over OTLP, under the application's resource and beside its own metrics.

    OTEL_METRICS_EXPORTER=thread_otlp opentelemetry-instrument python app.py

or, if the program sets up the SDK itself:

    reader = PeriodicExportingMetricReader(ThreadMetricExporter())
    set_meter_provider(MeterProvider(metric_readers=[reader]))

The standard variables set the endpoint, headers, compression, timeout, temporality and kind of histograms.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Sequence
from typing import Any, Final

from opentelemetry.environment_variables import OTEL_PYTHON_METER_PROVIDER
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import CallbackOptions, Observation, get_meter
from opentelemetry.sdk.metrics.export import (
    MetricExporter,
    MetricExportResult,
    MetricsData,
    ResourceMetrics,
)
from opentelemetry.sdk.resources import Resource

from thread import telemetry
from thread.telemetry import Event, Snapshot

from ._otel.environment import exemplars_are_wanted, sdk_is_disabled
from ._otel.metric_data import MetricsOfSnapshots, MetricsProducer, Temporality
from ._otel.scope import NAME, SCHEMA_URL, VERSION
from ._schema.exemplars import Exemplars
from ._schema.metrics import METRICS, NumberMetric

__all__ = ["OtlpMetrics", "ThreadMetricExporter"]

_log: Final = logging.getLogger("thread.telemetry")


class OtlpMetrics:
    """Sends snapshots through a metric exporter of the SDK, in the calling thread.

    The standard variables provide the defaults: for `exporter` the SDK's OTLP exporter over HTTP, for `resource` the
    resource of the environment, and for `temporality` and `exponential` see `MetricsProducer`. With delta temporality,
    an undelivered snapshot is lost, as in the SDK.

    Raises ValueError for an unknown temporality, and any error from making the exporter. Starts no thread. Do not use
    it from two threads at the same time.
    """

    def __init__(
        self,
        exporter: MetricExporter | None = None,
        resource: Resource | None = None,
        *,
        temporality: Temporality | None = None,
        exponential: bool | None = None,
    ) -> None:
        self._metrics = MetricsOfSnapshots(resource or Resource.create(), temporality, exponential)
        self._exporter = exporter or OTLPMetricExporter()
        self._is_disabled = sdk_is_disabled()

    def export(self, snapshot: Snapshot, events: Sequence[Event]) -> bool:
        """Send the metrics of a snapshot, with exemplars from these and earlier events. Returns True if they arrived.

        With OTEL_SDK_DISABLED it sends nothing and returns True.
        """
        self._metrics.observe(events)
        if self._is_disabled:
            return True
        return self._exporter.export(self._metrics.produce(snapshot)) is MetricExportResult.SUCCESS

    def shutdown(self, timeout: float) -> None:
        """Close the connection within `timeout` seconds."""
        self._exporter.shutdown(timeout_millis=timeout * 1000)

    def after_fork_in_child(self) -> None:
        """Forget the parent's exemplars. Values start from zero anyway."""
        self._metrics.forget_exemplars()


class ThreadMetricExporter(OTLPMetricExporter):
    """The SDK's OTLP exporter over HTTP, which adds the metrics of `thread.telemetry` to those of the application.

    Its name in `OTEL_METRICS_EXPORTER` is `thread_otlp`, and it takes the arguments of `OTLPMetricExporter`. The SDK
    calls no exporter while the application has no metrics, so it registers one of ours with the global meter provider,
    present or future. If `OTEL_PYTHON_METER_PROVIDER` names that provider, our metrics are sent only along with metrics
    of the application.

    The SDK calls its methods, one at a time.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._producer = MetricsProducer()
        self._exemplars = _ListeningExemplars()
        self._has_failed = False
        # Asking for a meter would install the provider that the variable names, and the SDK could not set its own.
        if OTEL_PYTHON_METER_PROVIDER not in os.environ:
            _register_metric()
        if not exemplars_are_wanted() or sdk_is_disabled():
            return
        try:
            telemetry.start(self._exemplars)
        except RuntimeError:
            # No thread can be started. Everything but exemplars still works.
            pass

    def export(
        self, metrics_data: MetricsData, timeout_millis: float | None = 10_000, **kwargs: Any
    ) -> MetricExportResult:
        """Send the application's metrics and ours."""
        with telemetry.hidden():
            return super().export(self._with_ours(metrics_data), timeout_millis=timeout_millis, **kwargs)

    def _with_ours(self, theirs: MetricsData) -> MetricsData:
        try:
            ours = self._producer.produce(telemetry.snapshot(), self._exemplars)
        except Exception:
            # The application's metrics must be sent whatever happens to ours.
            if not self._has_failed:
                self._has_failed = True
                _log.exception("cannot send the metrics of thread.telemetry; further failures will not be logged")
            return theirs
        # There is one resource, that of the collecting provider.
        return MetricsData(
            [
                ResourceMetrics(
                    each.resource,
                    [scope for scope in each.scope_metrics if scope.scope.name != NAME] + ([] if index else [ours]),
                    each.schema_url,
                )
                for index, each in enumerate(theirs.resource_metrics)
            ]
        )


class _ListeningExemplars(Exemplars):
    """Exemplars that receive events from `thread.telemetry` like an exporter."""

    def export(self, snapshot: Snapshot, events: Sequence[Event]) -> None:
        self.observe(events)

    def shutdown(self, timeout: float) -> None:
        pass

    def after_fork_in_child(self) -> None:
        self.clear()


def _register_metric() -> None:
    # This metric is meaningful even if another exporter collects it too.
    metric = next(each for each in METRICS if each.name == "python.thread.telemetry.instrumented")
    assert isinstance(metric, NumberMetric)

    def observe(options: CallbackOptions) -> Iterable[Observation]:
        return [Observation(number) for _, number in metric.read(telemetry.snapshot())]

    meter = get_meter(NAME, VERSION, schema_url=SCHEMA_URL)
    meter.create_observable_gauge(metric.name, [observe], metric.unit, metric.description)
