from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import pairwise
from time import time, time_ns
from typing import Any

import pytest
from handmade import HOT, NOON, histogram, lock, slow_wait, snapshot_of_a_shop
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric as Received
from opentelemetry.sdk.resources import Resource
from otlp_receiver import OtlpReceiver, attributes_of
from programs import output_of

from thread.telemetry import Histogram, LockStats, Site, Snapshot, SpanContext, WaitStats
from thread_exporters._otel.metric_data import MetricsProducer, Temporality
from thread_exporters._otel.scope import NAME, SCHEMA_URL, VERSION
from thread_exporters._schema.exemplars import Exemplars
from thread_exporters._schema.metrics import METRICS, HistogramMetric, NumberMetric
from thread_exporters.otel_metrics import OtlpMetrics

CUMULATIVE, DELTA = 2, 1
WAITS = "python.lock.wait.duration"

each_metric = pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
each_form = pytest.mark.parametrize("exponential", [False, True], ids=["explicit", "exponential"])
each_temporality = pytest.mark.parametrize("temporality", ["cumulative", "delta", "lowmemory"])


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    with OtlpReceiver() as receiver:
        yield receiver


class Destination:
    """Encode snapshots taken one second apart, as on the wire."""

    def __init__(self, receiver: OtlpReceiver, temporality: Temporality = "cumulative", exponential: bool = False):
        self.receiver = receiver
        self.metrics = OtlpMetrics(
            OTLPMetricExporter(f"{receiver.endpoint}/v1/metrics", timeout=10),
            Resource({"service.name": "shop"}),
            temporality=temporality,
            exponential=exponential,
        )
        self.now = time() + 1.0

    def send(self, snapshot: Snapshot, events: Iterable[Any] = ()) -> dict[str, Received]:
        self.now += 1.0
        before = len(self.receiver.metrics())
        assert self.metrics.export(replace(snapshot, taken_at=self.now), tuple(events))
        return {metric.name: metric for _, _, metric in self.receiver.metrics()[before:]}


def data_of(metric: Received) -> Any:
    kind = metric.WhichOneof("data")
    assert kind is not None
    return getattr(metric, kind)


def points_of(metric: Received) -> dict[tuple[Any, ...], Any]:
    return {tuple(attributes_of(point).values()): point for point in data_of(metric).data_points}


def number_of(point: Any) -> float:
    return float(getattr(point, point.WhichOneof("value")))


def with_locks(*locks: LockStats) -> Snapshot:
    return Snapshot(taken_at=NOON, locks=locks)


def exponential_counts(point: Any) -> dict[int, int]:
    """Return the counts by the exponent of each bucket's upper bound."""
    assert point.scale == 0
    assert point.zero_count == 0
    return {point.positive.offset + 1 + i: count for i, count in enumerate(point.positive.bucket_counts) if count}


@each_metric
@each_form
@each_temporality
def test_every_metric_arrives_with_its_kind_unit_attributes_and_values(
    metric: NumberMetric | HistogramMetric, exponential: bool, temporality: Temporality, receiver: OtlpReceiver
) -> None:
    snapshot = snapshot_of_a_shop()
    received = Destination(receiver, temporality, exponential).send(snapshot)[metric.name]
    assert (received.unit, received.description) == (metric.unit, metric.description)
    kind = {"counter": "sum", "updowncounter": "sum"}.get(metric.instrument, metric.instrument)
    assert received.WhichOneof("data") == ("exponential_histogram" if kind == "histogram" and exponential else kind)
    if kind == "sum":
        assert received.sum.is_monotonic == (metric.instrument == "counter")
    if kind != "gauge":
        changes = metric.instrument != "updowncounter" and temporality != "cumulative"
        assert data_of(received).aggregation_temporality == (DELTA if changes else CUMULATIVE)
    expected = dict(metric.read(snapshot))
    if metric.instrument in ("counter", "histogram") and temporality != "cumulative":
        expected = {key: value for key, value in expected.items() if getattr(value, "count", value)}
    found = points_of(received)
    assert found.keys() == expected.keys()
    for key, point in found.items():
        assert set(attributes_of(point)) == set(metric.attributes)
        value = expected[key]
        if isinstance(value, Histogram):
            assert (point.count, point.sum) == (value.count, pytest.approx(value.sum))
        else:
            assert number_of(point) == pytest.approx(value)


@each_form
def test_scope_and_resource_are_said(exponential: bool, receiver: OtlpReceiver) -> None:
    Destination(receiver, exponential=exponential).send(snapshot_of_a_shop())
    for resource, scope, _ in receiver.metrics():
        assert (scope.name, scope.version) == (NAME, VERSION)
        assert attributes_of(resource) == {"service.name": "shop"}
    assert receiver.schema_urls() == {NAME: SCHEMA_URL}


def test_things_are_counted_in_whole_numbers(receiver: OtlpReceiver) -> None:
    received = Destination(receiver).send(snapshot_of_a_shop())
    [point] = received["python.thread.telemetry.dropped"].sum.data_points
    assert point.as_int == 7
    line = next(iter(points_of(received["python.lock.blame.time"])))[3]
    assert isinstance(line, int)


def test_explicit_buckets_count_what_is_over_one_bound_and_not_over_the_next(receiver: OtlpReceiver) -> None:
    durations = (1e-9, 2**-14, 0.001, 0.001, 0.5, 0.50001, 100.0, 1e5)
    received = Destination(receiver).send(with_locks(lock(wait=histogram(*durations))))[WAITS]
    [point] = received.histogram.data_points
    metric = next(each for each in METRICS if each.name == WAITS)
    assert isinstance(metric, HistogramMetric)
    assert tuple(point.explicit_bounds) == metric.bounds
    edges = [-math.inf, *metric.bounds, math.inf]
    assert list(point.bucket_counts) == [
        sum(low < duration <= high for duration in durations) for low, high in pairwise(edges)
    ]


def test_exponential_buckets_are_those_that_were_recorded(receiver: OtlpReceiver) -> None:
    durations = (2**-10, 2**-10 * 1.5, 0.5, 0.50001, 3.0)
    received = Destination(receiver, exponential=True).send(with_locks(lock(wait=histogram(*durations))))[WAITS]
    [point] = received.exponential_histogram.data_points
    assert exponential_counts(point) == {-10: 1, -9: 1, -1: 1, 0: 1, 2: 1}
    assert point.count == 5
    counts = list(point.positive.bucket_counts)
    assert counts[0] and counts[-1], "no empty bucket is sent at either end"


def test_the_first_and_the_last_recorded_bucket_are_in_exponential_histograms_too(receiver: OtlpReceiver) -> None:
    received = Destination(receiver, exponential=True).send(with_locks(lock(wait=histogram(0.0, 1e-12, 1e9))))[WAITS]
    [point] = received.exponential_histogram.data_points
    assert exponential_counts(point) == {-24: 2, 17: 1}


def test_an_empty_histogram_says_that_it_counted_nothing(receiver: OtlpReceiver) -> None:
    received = Destination(receiver, exponential=True).send(with_locks(lock(waiters=1)))[WAITS]
    [point] = received.exponential_histogram.data_points
    assert (point.count, point.sum, list(point.positive.bucket_counts)) == (0, 0, [])


@each_form
def test_no_extreme_is_given_that_is_not_known(exponential: bool, receiver: OtlpReceiver) -> None:
    snapshot = with_locks(lock(wait=histogram(0.25, 0.5)), lock("waited for", waiters=1))
    points = points_of(Destination(receiver, exponential=exponential).send(snapshot)[WAITS])
    assert points[HOT, "lock"].max == 0.5
    assert not points[HOT, "lock"].HasField("min")
    assert not points["waited for", "lock"].HasField("max")
    for point in points_of(Destination(receiver, "delta", exponential).send(snapshot)[WAITS]).values():
        assert not point.HasField("max")
        assert not point.HasField("min")


@each_form
@each_temporality
def test_the_count_is_that_of_the_buckets_even_while_they_are_counted_up(
    exponential: bool, temporality: Temporality, receiver: OtlpReceiver
) -> None:
    torn = replace(histogram(0.25, 0.5), count=3)
    received = Destination(receiver, temporality, exponential).send(with_locks(lock(wait=torn)))[WAITS]
    [point] = data_of(received).data_points
    assert point.count == 2


@each_form
def test_deltas_add_up_to_what_was_counted(exponential: bool, receiver: OtlpReceiver) -> None:
    durations = [0.001, 0.3, 2.0, 0.001, 40.0, 0.3, 1e-9]
    states = [
        replace(
            with_locks(
                lock(wait=histogram(*durations[:end]), hold=histogram(*durations[: end // 2]), acquisitions=end * 10),
                *([lock("late", wait=histogram(0.5), acquisitions=3)] if end > 2 else []),
            ),
            waits=(WaitStats(HOT, Site("f", "f.py", 1), Site("g", "g.py", 2), end, 0.1 * end),),
        )
        for end in (0, 2, 2, 3, 7)
    ]
    destination, whole = Destination(receiver, "delta", exponential), Destination(receiver, "cumulative", exponential)
    numbers: dict[Any, float] = {}
    buckets: dict[Any, int] = {}
    for state in states:
        for name, metric in destination.send(state).items():
            if getattr(data_of(metric), "aggregation_temporality", CUMULATIVE) == CUMULATIVE:
                continue
            for key, point in points_of(metric).items():
                for field, value in amounts(point).items():
                    numbers[name, key, field] = numbers.get((name, key, field), 0) + value
                for bucket, count in bucket_counts(point).items():
                    buckets[name, key, bucket] = buckets.get((name, key, bucket), 0) + count
    expected_numbers: dict[Any, float] = {}
    expected_buckets: dict[Any, int] = {}
    for name, metric in whole.send(states[-1]).items():
        if metric.WhichOneof("data") == "gauge" or (metric.HasField("sum") and not metric.sum.is_monotonic):
            continue
        for key, point in points_of(metric).items():
            expected_numbers |= {(name, key, field): value for field, value in amounts(point).items() if value}
            expected_buckets |= {(name, key, bucket): count for bucket, count in bucket_counts(point).items()}
    assert numbers == pytest.approx(expected_numbers)
    assert buckets == expected_buckets
    assert len({key for name, key, _ in buckets if name == WAITS}) == 2


def amounts(point: Any) -> dict[str, float]:
    return {"count": point.count, "sum": point.sum} if hasattr(point, "count") else {"value": number_of(point)}


def bucket_counts(point: Any) -> dict[Any, int]:
    if hasattr(point, "positive"):
        return exponential_counts(point)
    return {i: count for i, count in enumerate(getattr(point, "bucket_counts", ())) if count}


def test_a_series_with_nothing_new_is_left_out_of_deltas(receiver: OtlpReceiver) -> None:
    destination = Destination(receiver, "delta")
    destination.send(with_locks(lock(wait=histogram(0.5)), lock("quiet")))
    received = destination.send(with_locks(lock(wait=histogram(0.5, 0.5), acquisitions=1001), lock("quiet")))
    assert set(points_of(received["python.lock.acquisitions"])) == {(HOT, "lock")}
    assert set(points_of(received[WAITS])) == {(HOT, "lock")}
    received = destination.send(with_locks(lock(wait=histogram(0.5, 0.5), acquisitions=1001), lock("quiet")))
    assert "python.lock.acquisitions" not in received
    assert WAITS not in received
    assert "python.lock.waiters" in received


def test_deltas_follow_each_other_without_a_gap(receiver: OtlpReceiver) -> None:
    destination = Destination(receiver, "delta")
    times = []
    for number in (1, 2, 3):
        [point] = destination.send(with_locks(lock(acquisitions=number)))["python.lock.acquisitions"].sum.data_points
        times.append((point.start_time_unix_nano, point.time_unix_nano))
    assert all(start < end for start, end in times)
    assert [end for _, end in times[:-1]] == [start for start, _ in times[1:]]


def test_what_is_cumulative_goes_on_from_one_start(receiver: OtlpReceiver) -> None:
    began = time_ns()
    destination = Destination(receiver)
    created = time_ns()
    for number in (1, 1, 5):
        received = destination.send(with_locks(lock(acquisitions=number, wait=histogram(*[0.5] * number))))
        for name in ("python.lock.acquisitions", WAITS, "python.lock.waiters"):
            [point] = data_of(received[name]).data_points
            assert began <= point.start_time_unix_nano <= created
            assert point.time_unix_nano == pytest.approx(destination.now * 1e9, abs=1000)


@each_form
@pytest.mark.parametrize("temporality", ["cumulative", "delta"])
def test_a_value_that_went_back_begins_a_new_series(
    exponential: bool, temporality: Temporality, receiver: OtlpReceiver
) -> None:
    destination = Destination(receiver, temporality, exponential)
    destination.send(with_locks(lock(acquisitions=10, wait=histogram(0.5, 0.5, 3.0))))
    last = round(destination.now * 1e9)
    received = destination.send(with_locks(lock(acquisitions=4, wait=histogram(0.5, 0.5, 0.5, 0.5))))
    [number] = received["python.lock.acquisitions"].sum.data_points
    [waits] = data_of(received[WAITS]).data_points
    assert (number.as_int, waits.count, waits.sum) == (4, 4, 2.0)
    for point in (number, waits):
        assert point.start_time_unix_nano == pytest.approx(last, abs=1000)
    [other] = received["python.thread.telemetry.instrumented"].gauge.data_points
    assert other.time_unix_nano > last


def test_addends_in_another_order_are_no_new_series(receiver: OtlpReceiver) -> None:
    def blamed(seconds: float) -> Snapshot:
        return Snapshot(NOON, waits=(WaitStats(HOT, Site("f", "f.py", 1), Site("g", "g.py", 2), 3, seconds),))

    destination = Destination(receiver, "delta")
    destination.send(blamed(0.1 + 0.2 + 0.3))
    assert 0.3 + 0.2 + 0.1 < 0.1 + 0.2 + 0.3
    assert "python.lock.blame.time" not in destination.send(blamed(0.3 + 0.2 + 0.1))


def test_a_clock_that_is_set_back_makes_no_interval_that_ends_before_it_began(receiver: OtlpReceiver) -> None:
    producer = MetricsProducer("delta")
    for number, taken_at in ((1, time() + 100), (2, NOON)):
        scope = producer.produce(replace(with_locks(lock(acquisitions=number)), taken_at=taken_at))
        for metric in scope.metrics:
            for point in metric.data.data_points:
                assert point.start_time_unix_nano <= point.time_unix_nano


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("temporality", ["cumulative", "delta"])
def test_a_forked_child_starts_from_zero_and_from_its_own_beginning(temporality: str) -> None:
    program = """
        import os, sys, time
        sys.path.insert(0, sys.argv[2])
        from handmade import lock
        from thread.telemetry import Snapshot
        from thread_exporters._otel.metric_data import MetricsProducer

        def point(acquisitions):
            scope = producer.produce(Snapshot(time.time(), locks=(lock(acquisitions=acquisitions),)))
            [metric] = [metric for metric in scope.metrics if metric.name == "python.lock.acquisitions"]
            return metric.data.data_points[0]

        producer = MetricsProducer(sys.argv[1])
        first = point(5)
        before = time.time_ns()
        if os.fork():
            os.wait()
        else:
            after = time.time_ns()
            # More than its parent had counted, so the value does not show that this is another process.
            of_child = point(6)
            print(of_child.value, before <= of_child.start_time_unix_nano <= after, flush=True)
            os._exit(0)
    """
    assert output_of(program, temporality, os.path.join(os.path.dirname(__file__), "..", "..", "support")) == ["6 True"]


@each_form
def test_buckets_of_waits_have_exemplars(exponential: bool, receiver: OtlpReceiver) -> None:
    destination = Destination(receiver, exponential=exponential)
    events = [slow_wait(0.12, span=SpanContext(0xA1, 0xB2, 1)), slow_wait(0.3, span=SpanContext(0xC3, 0xD4, 1))]
    snapshot = with_locks(lock(wait=histogram(0.12, 0.3), hold=histogram(0.12)), lock("other", wait=histogram(0.12)))
    received = destination.send(snapshot, events)
    points = points_of(received[WAITS])
    found = {(exemplar.trace_id.hex(), exemplar.span_id.hex()) for exemplar in points[HOT, "lock"].exemplars}
    assert found == {("a1".zfill(32), "b2".zfill(16)), ("c3".zfill(32), "d4".zfill(16))}
    exemplar = next(each for each in points[HOT, "lock"].exemplars if each.span_id[-1] == 0xB2)
    assert exemplar.as_double == 0.12
    assert exemplar.time_unix_nano == pytest.approx((NOON + 0.12) * 1e9, abs=1000)
    assert not points["other", "lock"].exemplars
    assert not any(point.exemplars for point in points_of(received["python.lock.hold.duration"]).values())


def test_a_bucket_with_explicit_bounds_has_one_exemplar_the_latest(receiver: OtlpReceiver) -> None:
    events = [slow_wait(duration, span=SpanContext(1, 2, 1)) for duration in (20.0, 40.0)]
    received = Destination(receiver).send(with_locks(lock(wait=histogram(20.0, 40.0))), events)
    assert [each.as_double for each in received[WAITS].histogram.data_points[0].exemplars] == [40.0]


@each_form
def test_exemplars_of_deltas_are_of_waits_since_the_last_export(exponential: bool, receiver: OtlpReceiver) -> None:
    destination = Destination(receiver, "delta", exponential)

    def wait(seconds: float) -> Any:
        return slow_wait(seconds, started_at=destination.now + 0.1, span=SpanContext(1, 2, 1))

    first = destination.send(with_locks(lock(wait=histogram(0.12))), [wait(0.12)])
    second = destination.send(with_locks(lock(wait=histogram(0.12, 0.4))), [wait(0.4)])
    for metrics, expected in ((first, 0.12), (second, 0.4)):
        assert [each.as_double for each in data_of(metrics[WAITS]).data_points[0].exemplars] == [expected]


def test_a_path_that_is_no_text_does_not_spoil_the_export(receiver: OtlpReceiver) -> None:
    odd = Site("shop.f", os.fsdecode(b"/app/\xff.py"), 1)
    snapshot = replace(snapshot_of_a_shop(), waits=(WaitStats(HOT, odd, odd, 1, 0.5),))
    received = Destination(receiver).send(snapshot)
    [point] = received["python.lock.blame.time"].sum.data_points
    assert attributes_of(point)["code.file.path"] == r"/app/\udcff.py"


@pytest.mark.parametrize(
    ("preference", "delta"),
    [("", False), ("cumulative", False), ("DELTA", True), (" Delta ", True), ("lowMemory", True)],
)
def test_the_environment_chooses_the_temporality(
    preference: str, delta: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", preference)
    assert kinds(MetricsProducer()) == {(DELTA if delta else CUMULATIVE, "Histogram")}
    assert kinds(MetricsProducer("cumulative")) == {(CUMULATIVE, "Histogram")}
    assert not caplog.records


@pytest.mark.parametrize("name", ["base2_exponential_bucket_histogram", "BASE2_Exponential_Bucket_Histogram"])
def test_the_environment_chooses_the_kind_of_histograms(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", name)
    assert kinds(MetricsProducer()) == {(CUMULATIVE, "ExponentialHistogram")}
    assert kinds(MetricsProducer(exponential=False)) == {(CUMULATIVE, "Histogram")}


@pytest.mark.parametrize(
    ("variable", "instead"),
    [
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "cumulative"),
        ("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "explicit_bucket_histogram"),
    ],
)
def test_a_wrong_value_in_the_environment_is_named_and_the_default_taken(
    variable: str, instead: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(variable, "sideways")
    assert kinds(MetricsProducer()) == {(CUMULATIVE, "Histogram")}
    [record] = caplog.records
    assert record.name == "thread.telemetry"
    assert record.getMessage().startswith(f"{variable}: expected one of ")
    assert record.getMessage().endswith(f"got 'sideways'; using {instead}")


def test_a_temporality_that_is_none_is_refused() -> None:
    wrong: Any = "sideways"
    with pytest.raises(ValueError, match="temporality: expected one of cumulative, delta, lowmemory, got 'sideways'"):
        MetricsProducer(wrong)


def kinds(producer: MetricsProducer) -> set[tuple[int, str]]:
    scope = producer.produce(with_locks(lock(wait=histogram(0.5))), Exemplars())
    [metric] = [metric for metric in scope.metrics if metric.name == WAITS]
    return {(int(metric.data.aggregation_temporality), type(metric.data).__name__)}
