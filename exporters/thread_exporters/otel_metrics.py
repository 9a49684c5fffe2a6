"""Exporters of metrics by OTLP, under the resource of the application and beside its own metrics.

    OTEL_METRICS_EXPORTER=thread_otlp opentelemetry-instrument python app.py

or, where the program sets up the SDK itself:

    reader = PeriodicExportingMetricReader(ThreadMetricExporter())
    set_meter_provider(MeterProvider(metric_readers=[reader]))

Endpoint, headers, compression, timeout, temporality and the kind of histograms are those of the standard variables.
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
    """Sends one snapshot after the other through a metric exporter of the SDK, in the calling thread.

    Without `exporter` it is the SDK's OTLP exporter over HTTP, and without `resource` that of the environment, both as
    the standard variables have it; so are `temporality` and `exponential`, see `MetricsProducer`. With a temporality of
    deltas, what could not be delivered is lost, as it is with the SDK.

    Raises ValueError for an unknown temporality, and what the making of the exporter raises. Starts no thread. Not for
    use from two threads at the same time.
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
        """Send the metrics of a snapshot, with exemplars of these events and of earlier ones. Says if they arrived.

        With OTEL_SDK_DISABLED nothing is sent, and nothing is missed.
        """
        self._metrics.observe(events)
        if self._is_disabled:
            return True
        return self._exporter.export(self._metrics.produce(snapshot)) is MetricExportResult.SUCCESS

    def shutdown(self, timeout: float) -> None:
        """Let go of the connection within `timeout` seconds."""
        self._exporter.shutdown(timeout_millis=timeout * 1000)

    def after_fork_in_child(self) -> None:
        """Forget what the parent did. Values start from zero by themselves."""
        self._metrics.forget_exemplars()


class ThreadMetricExporter(OTLPMetricExporter):
    """The SDK's OTLP exporter over HTTP, which sends the metrics of `thread.telemetry` along with those it is given.

    It is the exporter of the name `thread_otlp` in `OTEL_METRICS_EXPORTER`, and takes the arguments of
    `OTLPMetricExporter`. The SDK calls no exporter while the application has no metrics, so one of ours is registered
    with the global meter provider, the one there is or the one to come; where `OTEL_PYTHON_METER_PROVIDER` names that
    provider, ours are sent only with metrics of the application.

    Its methods are called by the SDK, one at a time.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._producer = MetricsProducer()
        self._exemplars = _ListeningExemplars()
        self._has_failed = False
        # To ask for a meter would set the provider that the variable names, and the SDK could set none any more.
        if OTEL_PYTHON_METER_PROVIDER not in os.environ:
            _register_metric()
        if not exemplars_are_wanted() or sdk_is_disabled():
            return
        try:
            telemetry.start(self._exemplars)
        except RuntimeError:
            # No thread can be started: there are no exemplars then, but all the rest.
            pass

    def export(
        self, metrics_data: MetricsData, timeout_millis: float | None = 10_000, **kwargs: Any
    ) -> MetricExportResult:
        """Send the metrics of the application and ours."""
        with telemetry.hidden():
            return super().export(self._with_ours(metrics_data), timeout_millis=timeout_millis, **kwargs)

    def _with_ours(self, theirs: MetricsData) -> MetricsData:
        try:
            ours = self._producer.produce(telemetry.snapshot(), self._exemplars)
        except Exception:
            # Those of the application are sent whatever happens to ours.
            if not self._has_failed:
                self._has_failed = True
                _log.exception("the metrics of thread.telemetry cannot be sent; further failures are not logged")
            return theirs
        # There is one resource, that of the provider which collected.
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
    """Exemplars that are fed by `thread.telemetry`, as an exporter is."""

    def export(self, snapshot: Snapshot, events: Sequence[Event]) -> None:
        self.observe(events)

    def shutdown(self, timeout: float) -> None:
        pass

    def after_fork_in_child(self) -> None:
        self.clear()


def _register_metric() -> None:
    # One that says something even where another exporter collects it too.
    metric = next(each for each in METRICS if each.name == "python.thread.telemetry.instrumented")
    assert isinstance(metric, NumberMetric)

    def observe(options: CallbackOptions) -> Iterable[Observation]:
        return [Observation(number) for _, number in metric.read(telemetry.snapshot())]

    meter = get_meter(NAME, VERSION, schema_url=SCHEMA_URL)
    meter.create_observable_gauge(metric.name, [observe], metric.unit, metric.description)
