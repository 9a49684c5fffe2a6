"""What was recorded, as metrics for Prometheus.

Serve them on a port of their own:

    from thread import telemetry
    from thread_exporters.prometheus import PrometheusExporter

    telemetry.start(PrometheusExporter(port=9464))        # http://127.0.0.1:9464/metrics

or add them to the page that the service has already, whatever registry that page is made of:

    telemetry.start(PrometheusExporter(registry))
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Final, TypeAlias

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.core import Exemplar as PrometheusExemplar

from thread import telemetry
from thread.telemetry import Event, Snapshot

from ._encodable import encodable
from ._exemplars import Exemplar, Exemplars, latest
from ._metrics import METRICS, HistogramMetric, NumberMetric
from ._points import Attributes
from ._server import MetricsServer

__all__ = ["PrometheusExporter", "from_environment"]

DEFAULT_HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 9464
"""The port that OpenTelemetry has chosen for Prometheus exporters."""

_BucketWithExemplar: TypeAlias = tuple[str, float, PrometheusExemplar]

_log: Final = logging.getLogger("thread.telemetry")


class PrometheusExporter:
    """A collector that reads `thread.telemetry.snapshot()` whenever `registry` is scraped.

    With `port` it also serves the registry on `host`, 0 being any free port. When that port cannot be had, one line
    on the `thread.telemetry` logger says so and the program goes on; the registry holds the metrics all the same.

    Raises ValueError for a port that is none, and for a registry that has such a collector already. Safe to use from
    any thread.
    """

    def __init__(
        self, registry: CollectorRegistry = REGISTRY, port: int | None = None, host: str = DEFAULT_HOST
    ) -> None:
        if port is not None:
            _check_port("port", port)
        self._registry = registry
        self._exemplars = Exemplars()
        try:
            registry.register(self)
        except ValueError:
            raise ValueError(
                "expected a registry without the metrics of thread.telemetry, got one that has them already: "
                "shut down the PrometheusExporter that was registered first"
            ) from None
        self._server = None if port is None else _serve(registry, host, port)

    @property
    def url(self) -> str | None:
        """Where the metrics are served, None when they are not."""
        return None if self._server is None else self._server.url

    def describe(self) -> Iterator[Metric]:
        """The families without samples, from which a registry learns their names."""
        return (_family(metric, Snapshot(taken_at=0.0), self._exemplars) for metric in METRICS)

    def collect(self) -> Iterator[Metric]:
        """The families of one snapshot, each made when it is asked for, so that only one is held at a time."""
        snapshot = telemetry.snapshot()
        return (_family(metric, snapshot, self._exemplars) for metric in METRICS)

    def export(self, snapshot: Snapshot, events: Sequence[Event]) -> None:
        """Remember which spans waited for long: Prometheus comes for all else when it wants it."""
        self._exemplars.observe(events)

    def shutdown(self, timeout: float) -> None:
        """Leave the registry and free the port within `timeout` seconds. A second call does nothing."""
        with contextlib.suppress(KeyError):
            self._registry.unregister(self)
        self._stop_serving(timeout)

    def after_fork_in_child(self) -> None:
        """Leave the port to the parent: the metrics of the child are in its registry, but are not served."""
        self._exemplars.clear()
        self._stop_serving(timeout=0.0)

    def _stop_serving(self, timeout: float) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close(timeout)


def from_environment(port: int | None = None, host: str | None = None) -> PrometheusExporter:
    """The exporter of the name `prometheus`, serving prometheus_client's default registry.

    What is not given is taken from `THREAD_PORT` and `THREAD_HOST`, else it is port 9464 of 127.0.0.1.
    Raises ValueError for a port that is none.
    """
    if port is None:
        port = _port_from(os.environ.get("THREAD_PORT") or str(DEFAULT_PORT))
    return PrometheusExporter(port=port, host=host or os.environ.get("THREAD_HOST") or DEFAULT_HOST)


def _port_from(text: str) -> int:
    try:
        return _check_port("THREAD_PORT", int(text))
    except ValueError:
        raise ValueError(f"THREAD_PORT: expected a port number from 0 to 65535, got {text!r}") from None


def _check_port(source: str, port: int) -> int:
    if not isinstance(port, int) or not 0 <= port <= 65535:
        raise ValueError(f"{source}: expected a port number from 0 to 65535, got {port!r}")
    return port


def _serve(registry: CollectorRegistry, host: str, port: int) -> MetricsServer | None:
    try:
        return MetricsServer(registry, host, port)
    except (OSError, UnicodeError) as error:
        _log.warning(
            "no metrics are served, since port %d of %s cannot be had: %s; the program runs on, "
            "THREAD_PORT and THREAD_HOST choose another address",
            port,
            host,
            getattr(error, "strerror", None) or error,
        )
        return None


def _family(metric: NumberMetric | HistogramMetric, snapshot: Snapshot, exemplars: Exemplars) -> Metric:
    name, description, labels = metric.prometheus_name, metric.description, metric.prometheus_labels
    if isinstance(metric, HistogramMetric):
        distribution = HistogramMetricFamily(name, description, labels=labels, unit=metric.prometheus_unit)
        edges = [(edge, *bucket) for edge, bucket in zip([*map(str, metric.bounds), "+Inf"], metric.buckets)]
        for attributes, histogram in metric.read(snapshot):
            counts = tuple(accumulate(histogram.buckets))
            found = exemplars.of(metric.name, attributes)
            buckets = [_bucket(edge, counts[last], latest(found, first, last)) for edge, first, last in edges]
            distribution.add_metric(_values(attributes), buckets, histogram.sum)
        return distribution
    family_type = CounterMetricFamily if metric.instrument == "counter" else GaugeMetricFamily
    family = family_type(name, description, labels=labels, unit=metric.prometheus_unit)
    for attributes, number in metric.read(snapshot):
        family.add_metric(_values(attributes), number)
    return family


def _bucket(edge: str, count: int, exemplar: Exemplar | None) -> tuple[str, float] | _BucketWithExemplar:
    if exemplar is None:
        return edge, count
    labels = {"trace_id": f"{exemplar.trace_id:032x}", "span_id": f"{exemplar.span_id:016x}"}
    return edge, count, PrometheusExemplar(labels, exemplar.value, exemplar.at)


def _values(attributes: Attributes) -> list[str]:
    return [encodable(str(value)) for value in attributes]
