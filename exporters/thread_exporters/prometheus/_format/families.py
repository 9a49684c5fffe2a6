"""Samples as metric families of prometheus_client."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate
from typing import TypeAlias

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.core import Exemplar as PrometheusExemplar

from ..._schema.encodable import label_value
from ..._schema.exemplars import Exemplar, latest
from ..._schema.metrics import HistogramMetric, NumberMetric
from ..._schema.points import Attributes
from .samples import Samples

Family: TypeAlias = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily
Bucket: TypeAlias = tuple[str, float] | tuple[str, float, PrometheusExemplar]


def empty_family(metric: NumberMetric | HistogramMetric) -> Family:
    """Make the family of a metric, without series."""
    family_type: type[Family] = GaugeMetricFamily
    if isinstance(metric, HistogramMetric):
        family_type = HistogramMetricFamily
    elif metric.instrument == "counter":
        family_type = CounterMetricFamily
    return family_type(
        metric.prometheus_name, metric.description, labels=metric.prometheus_labels, unit=metric.prometheus_unit
    )


def add_number(family: Family, labels: list[str], number: float, created: float | None) -> None:
    """Add a series. `created` is the Unix time when its counter was zero; None omits it."""
    if isinstance(family, CounterMetricFamily):
        family.add_metric(labels, number, created=created)
    else:
        assert isinstance(family, GaugeMetricFamily)
        family.add_metric(labels, number)


def add_distribution(
    family: Family, labels: list[str], buckets: Iterable[Bucket], total: float, created: float | None
) -> None:
    """Add a series of cumulative buckets, the last of which counts everything. `created` is as in `add_number`."""
    assert isinstance(family, HistogramMetricFamily)
    family.add_metric(labels, list(buckets), total)
    if created is not None:
        family.add_sample(f"{family.name}_created", dict(zip(family._labelnames, labels)), created)


def edges(metric: HistogramMetric) -> list[str]:
    """Format the upper bounds of a histogram's buckets."""
    return [*map(str, metric.bounds), "+Inf"]


def family(metric: NumberMetric | HistogramMetric, samples: Samples, created: float | None) -> Family:
    """Make the family of a metric with all its series. `created` is as in `add_number`."""
    made = empty_family(metric)
    if isinstance(metric, HistogramMetric):
        named_buckets = list(zip(edges(metric), metric.buckets))
        for attributes, histogram in samples.histograms(metric):
            found = samples.exemplars(metric.name, attributes)
            counts = tuple(accumulate(histogram.buckets))
            buckets = [
                _bucket(edge, counts[last], latest(found, first, last)) for edge, (first, last) in named_buckets
            ]
            add_distribution(made, label_values(attributes), buckets, histogram.sum, created)
    else:
        for attributes, number in samples.numbers(metric):
            add_number(made, label_values(attributes), number, created)
    return made


def _bucket(edge: str, count: int, exemplar: Exemplar | None) -> Bucket:
    if exemplar is None:
        return edge, count
    return edge, count, PrometheusExemplar(exemplar.labels, exemplar.value, exemplar.at)


def label_values(attributes: Attributes) -> list[str]:
    """Convert the values of attributes to label values."""
    return [label_value(str(value)) for value in attributes]
