"""Conversion of snapshots to the metrics of OpenTelemetry's SDK. Recorded aggregates are passed on, not replayed."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, cast, get_args

from opentelemetry.sdk.environment_variables import (
    OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION,
    OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE,
)
from opentelemetry.sdk.metrics import Exemplar as SdkExemplar
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Buckets,
    ExponentialHistogram,
    Gauge,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.metrics.export import ExponentialHistogramDataPoint as ExponentialDataPoint
from opentelemetry.sdk.metrics.export import Histogram as ExplicitHistogram
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from thread.telemetry import Event, Histogram, Snapshot, time_ns

from .._schema.encodable import series_attributes
from .._schema.exemplars import Exemplar, Exemplars, latest
from .._schema.metrics import METRICS, HistogramMetric, NumberMetric
from .._schema.points import Attributes
from .environment import exemplars_are_wanted
from .scope import NAME, SCHEMA_URL, VERSION

Temporality: TypeAlias = Literal["cumulative", "delta", "lowmemory"]
Amount: TypeAlias = float | Histogram

SCOPE: Final = InstrumentationScope(NAME, VERSION, SCHEMA_URL)

_AGGREGATIONS: Final = {"explicit_bucket_histogram": False, "base2_exponential_bucket_histogram": True}

# In OTLP, min and max are optional, but not in the SDK's types. The SDK's encoder omits None.
_NOT_GIVEN: Final = cast(float, None)

# A sum may shrink a little when its addends come in another order. That is rounding and not a reset.
_ROUNDING: Final = 1e-9

# At scale 0, bucket i holds values above 2^i up to and including 2^(i + 1), exactly like the recorded buckets.
_FIRST_INDEX: Final = int(math.log2(Histogram.bounds[0])) - 1

_log: Final = logging.getLogger("thread.telemetry")

_forked_at = 0


def _note_fork() -> None:
    global _forked_at
    _forked_at = time_ns()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_note_fork)


@dataclass(frozen=True, slots=True)
class _Series:
    start: int
    amount: Amount


class MetricsProducer:
    """Produces metrics for one destination, export after export.

    `temporality` applies to counters and histograms: `cumulative`, or `delta` and `lowmemory` for the changes since the
    last export. UpDownCounters are always cumulative. `exponential` chooses exponential histograms instead of those
    with the bounds of each metric. The defaults come from the standard variables
    `OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE` and
    `OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION`.

    Raises ValueError for an unknown temporality; logs an invalid variable. Do not use it from two threads at the same
    time. A forked child may keep using it; its numbers start from zero.
    """

    def __init__(self, temporality: Temporality | None = None, exponential: bool | None = None) -> None:
        if temporality is None:
            temporality = _temporality_from_environment()
        elif temporality not in get_args(Temporality):
            raise ValueError(f"temporality: expected one of {', '.join(get_args(Temporality))}, got {temporality!r}")
        self._delta = temporality != "cumulative"
        self._exponential = _exponential_from_environment() if exponential is None else exponential
        self._series: dict[tuple[str, Attributes], _Series]
        self._next: dict[tuple[str, Attributes], _Series]
        self._began: int
        self._last: int
        self._begin(time_ns())

    def produce(self, snapshot: Snapshot, exemplars: Exemplars | None = None) -> ScopeMetrics:
        """Convert a snapshot. With `delta`, the result holds the changes since the previous snapshot."""
        if self._fork != _forked_at:
            self._begin(_forked_at)
        # The clock may have been set back meanwhile.
        at = max(round(snapshot.taken_at * 1e9), self._last)
        metrics = [
            self._histogram(metric, snapshot, at, exemplars)
            if isinstance(metric, HistogramMetric)
            else self._number(metric, snapshot, at)
            for metric in METRICS
        ]
        self._series, self._next = self._next, {}
        self._last = at
        return ScopeMetrics(SCOPE, [metric for metric in metrics if metric.data.data_points], SCHEMA_URL)

    def _begin(self, at: int) -> None:
        self._fork = _forked_at
        self._began = self._last = at
        self._series, self._next = {}, {}

    def _number(self, metric: NumberMetric, snapshot: Snapshot, at: int) -> Metric:
        if metric.instrument == "counter":
            points = [
                NumberDataPoint(_attributes(metric, attributes), start, at, cast(float, amount))
                for attributes, start, amount in self._counted(metric, metric.read(snapshot))
            ]
            return _metric(metric, Sum(points, self._temporality, is_monotonic=True))
        points = [
            NumberDataPoint(_attributes(metric, attributes), self._began, at, number)
            for attributes, number in metric.read(snapshot)
        ]
        if metric.instrument == "gauge":
            return _metric(metric, Gauge(points))
        return _metric(metric, Sum(points, AggregationTemporality.CUMULATIVE, is_monotonic=False))

    def _histogram(self, metric: HistogramMetric, snapshot: Snapshot, at: int, exemplars: Exemplars | None) -> Metric:
        explicit, exponential = [], []
        for attributes, start, amount in self._counted(metric, metric.read(snapshot)):
            histogram = cast(Histogram, amount)
            found = exemplars.of(metric.name, attributes) if exemplars else {}
            if self._delta:
                found = {bucket: exemplar for bucket, exemplar in found.items() if exemplar.at * 1e9 > start}
            named = _attributes(metric, attributes)
            if self._exponential:
                exponential.append(self._exponential_point(named, start, at, histogram, found))
            else:
                explicit.append(self._explicit_point(metric, named, start, at, histogram, found))
        if self._exponential:
            return _metric(metric, ExponentialHistogram(exponential, self._temporality))
        return _metric(metric, ExplicitHistogram(explicit, self._temporality))

    def _explicit_point(
        self,
        metric: HistogramMetric,
        attributes: dict[str, str | int],
        start: int,
        at: int,
        histogram: Histogram,
        exemplars: Mapping[int, Exemplar],
    ) -> HistogramDataPoint:
        candidates = [latest(exemplars, first, last) for first, last in metric.buckets] if exemplars else []
        return HistogramDataPoint(
            attributes=attributes,
            start_time_unix_nano=start,
            time_unix_nano=at,
            count=histogram.count,
            sum=histogram.sum,
            bucket_counts=metric.counts(histogram),
            explicit_bounds=metric.bounds,
            min=_NOT_GIVEN,
            max=self._max(histogram),
            exemplars=[_sdk_exemplar(exemplar) for exemplar in candidates if exemplar is not None],
        )

    def _exponential_point(
        self,
        attributes: dict[str, str | int],
        start: int,
        at: int,
        histogram: Histogram,
        exemplars: Mapping[int, Exemplar],
    ) -> ExponentialDataPoint:
        used = [bucket for bucket, count in enumerate(histogram.buckets) if count]
        first, last = (used[0], used[-1]) if used else (0, -1)
        return ExponentialDataPoint(
            attributes=attributes,
            start_time_unix_nano=start,
            time_unix_nano=at,
            count=histogram.count,
            sum=histogram.sum,
            scale=0,
            zero_count=0,
            positive=Buckets(_FIRST_INDEX + first, histogram.buckets[first : last + 1]),
            negative=Buckets(0, []),
            flags=0,
            min=_NOT_GIVEN,
            max=self._max(histogram),
            exemplars=[_sdk_exemplar(exemplar) for exemplar in exemplars.values()],
        )

    def _max(self, histogram: Histogram) -> float:
        # The all-time maximum says nothing about the time since the last export.
        return histogram.max if histogram.count and not self._delta else _NOT_GIVEN

    @property
    def _temporality(self) -> AggregationTemporality:
        return AggregationTemporality.DELTA if self._delta else AggregationTemporality.CUMULATIVE

    def _counted(
        self, metric: NumberMetric | HistogramMetric, points: Iterator[tuple[Attributes, Amount]]
    ) -> Iterator[tuple[Attributes, int, Amount]]:
        """Yield attributes, start time and amount of each series. Deltas omit a series without changes.

        A series began after the last export if it did not exist then, or if its count was higher.
        """
        for attributes, amount in points:
            if isinstance(amount, Histogram):
                # A wait that ends during the snapshot may be in the buckets and not yet in the count, or vice versa.
                amount = Histogram(sum(amount.buckets), amount.sum, amount.max, amount.buckets)
            key = metric.name, attributes
            before = self._series.get(key)
            if before is not None and _went_back(before.amount, amount):
                before = None
            start = self._last if before is None else before.start
            self._next[key] = _Series(start, amount)
            if not self._delta:
                yield attributes, start, amount
                continue
            new = amount if before is None else _difference(before.amount, amount)
            if new.count if isinstance(new, Histogram) else new:
                yield attributes, self._last, new


class MetricsOfSnapshots:
    """Converts snapshots to data that the SDK's exporters can send, with exemplars and a resource.

    Arguments and errors are those of `MetricsProducer`.
    """

    def __init__(
        self, resource: Resource, temporality: Temporality | None = None, exponential: bool | None = None
    ) -> None:
        self._resource = resource
        self._producer = MetricsProducer(temporality, exponential)
        self._exemplars = Exemplars()
        self._wants_exemplars = exemplars_are_wanted()

    def observe(self, events: Iterable[Event]) -> None:
        """Take exemplars from events, which come oldest first."""
        if self._wants_exemplars:
            self._exemplars.observe(events)

    def produce(self, snapshot: Snapshot) -> MetricsData:
        """Convert a snapshot, with the exemplars seen so far."""
        scope = self._producer.produce(snapshot, self._exemplars)
        return MetricsData([ResourceMetrics(self._resource, [scope], self._resource.schema_url)])

    def forget_exemplars(self) -> None:
        """Forget all exemplars. A forked child must; its values start from zero anyway."""
        self._exemplars.clear()


def _went_back(before: Amount, now: Amount) -> bool:
    if isinstance(now, Histogram):
        return any(map(int.__lt__, now.buckets, cast(Histogram, before).buckets))
    return now < cast(float, before) * (1 - _ROUNDING)


def _difference(before: Amount, now: Amount) -> Amount:
    if isinstance(now, Histogram):
        before = cast(Histogram, before)
        buckets = tuple(map(int.__sub__, now.buckets, before.buckets))
        return Histogram(now.count - before.count, max(now.sum - before.sum, 0.0), now.max, buckets)
    return max(now - cast(float, before), 0)


def _metric(
    metric: NumberMetric | HistogramMetric, data: Sum | Gauge | ExplicitHistogram | ExponentialHistogram
) -> Metric:
    return Metric(metric.name, metric.description, metric.unit, data)


def _attributes(metric: NumberMetric | HistogramMetric, values: Attributes) -> dict[str, str | int]:
    return series_attributes(zip(metric.attributes, values))


def _sdk_exemplar(exemplar: Exemplar) -> SdkExemplar:
    return SdkExemplar({}, exemplar.value, round(exemplar.at * 1e9), exemplar.span_id, exemplar.trace_id)


def _temporality_from_environment() -> Temporality:
    text = os.environ.get(OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE, "").strip()
    for temporality in get_args(Temporality):
        if text.lower() == temporality:
            return cast(Temporality, temporality)
    if text:
        _complain(OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE, get_args(Temporality), text, "cumulative")
    return "cumulative"


def _exponential_from_environment() -> bool:
    text = os.environ.get(OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION, "").strip()
    if text and text.lower() not in _AGGREGATIONS:
        known = tuple(_AGGREGATIONS)
        _complain(OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION, known, text, known[0])
    return _AGGREGATIONS.get(text.lower(), False)


def _complain(variable: str, known: tuple[str, ...], text: str, instead: str) -> None:
    _log.warning("%s: expected one of %s, got %r; using %s", variable, ", ".join(known), text, instead)
