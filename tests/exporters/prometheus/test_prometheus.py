from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType

import pytest
from handmade import HOT, NOON, histogram, lock, slow_wait, snapshot_of_a_shop
from pages import OPENMETRICS, PARSERS, families, get, value
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.samples import Sample

import thread
from thread import telemetry
from thread.telemetry import Exporter, Site, Snapshot, SpanContext, WaitStats
from thread_exporters._schema.metrics import METRICS
from thread_exporters.prometheus import PrometheusExporter

Labels = dict[str, str]


@pytest.fixture
def show(monkeypatch: pytest.MonkeyPatch) -> Callable[[Snapshot], None]:
    """Make the exporter read a handmade snapshot."""
    return lambda snapshot: monkeypatch.setattr(telemetry, "snapshot", lambda: snapshot)


def test_it_is_an_exporter(exporter: PrometheusExporter) -> None:
    assert isinstance(exporter, Exporter)


@pytest.mark.parametrize("form", PARSERS)
def test_both_formats_parse_and_hold_every_metric(
    form: str, exporter: PrometheusExporter, show: Callable[[Snapshot], None]
) -> None:
    show(snapshot_of_a_shop())
    found = families(exporter, form)
    assert list(found) == [metric.prometheus_name.removesuffix("_total") for metric in METRICS]
    for metric in METRICS:
        family = found[metric.prometheus_name.removesuffix("_total")]
        assert family.documentation == metric.description
        assert family.type == {"updowncounter": "gauge"}.get(metric.instrument, metric.instrument)
        assert family.unit == (metric.prometheus_unit if form == "openmetrics" else "")
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(metric.prometheus_labels)
    assert value(found, "python_lock_acquisitions_total", python_lock_name="quiet") == 1000
    assert value(found, "python_lock_wait_duration_seconds_count", python_lock_name=HOT) == 4
    assert value(found, "python_lock_hold_duration_seconds_count", python_lock_name=HOT) == 2
    assert value(found, "python_thread_duration_seconds_sum", python_thread_target="shop.worker:work") == 3
    assert value(found, "python_thread_cpu_time_seconds_total", python_thread_target="shop.worker:work") == 0.5
    assert value(found, "python_thread_unhandled_exceptions_total", error_type="ValueError") == 5
    assert value(found, "python_lock_blame_time_seconds_total", code_line_number="44") == 2.5
    assert value(found, "python_thread_telemetry_dropped_total") == 7


def test_openmetrics_is_spoken_when_asked_for(exporter: PrometheusExporter) -> None:
    assert get(exporter.url, OPENMETRICS)[1].startswith("application/openmetrics-text")
    assert get(exporter.url)[1].startswith("text/plain")


def test_buckets_are_cumulative_and_agree_with_count_and_sum(
    exporter: PrometheusExporter, show: Callable[[Snapshot], None]
) -> None:
    durations = (1e-9, 0.001, 0.001, 0.5, 100.0, 1e5)
    show(Snapshot(taken_at=0.0, locks=(lock(wait=histogram(*durations)),)))
    samples = families(exporter)["python_lock_wait_duration_seconds"].samples
    buckets = {float(s.labels["le"]): s.value for s in samples if s.name.endswith("_bucket")}
    for bound, count in buckets.items():
        assert count == sum(duration <= bound for duration in durations)
    assert [s.value for s in samples if s.name.endswith("_count")] == [6]
    assert [s.value for s in samples if s.name.endswith("_sum")] == [pytest.approx(100100.502)]


def wait_buckets(exporter: PrometheusExporter) -> dict[float, Sample]:
    samples = families(exporter, "openmetrics")["python_lock_wait_duration_seconds"].samples
    return {float(sample.labels["le"]): sample for sample in samples if sample.name.endswith("_bucket")}


@pytest.mark.parametrize(
    ("duration", "bound"), [(1e-9, 2**-14), (0.02, 2**-5), (0.25, 0.25), (0.2500001, 0.5), (99.0, math.inf)]
)
def test_the_bucket_of_a_slow_wait_shows_its_span_in_openmetrics(
    duration: float, bound: float, exporter: PrometheusExporter, show: Callable[[Snapshot], None]
) -> None:
    exporter.export(Snapshot(taken_at=NOON), [slow_wait(duration, span=SpanContext(0xA1, 0xB2, 1))])
    show(Snapshot(taken_at=NOON, locks=(lock(wait=histogram(duration)),)))
    found = {le: sample.exemplar for le, sample in wait_buckets(exporter).items() if sample.exemplar}
    assert list(found) == [bound]
    assert found[bound].labels == {"trace_id": "a1".zfill(32), "span_id": "b2".zfill(16)}
    assert found[bound].value == duration
    assert float(found[bound].timestamp or 0) == pytest.approx(NOON + duration)


def test_of_the_recorded_buckets_that_one_of_the_page_holds_the_latest_wait_is_shown(
    exporter: PrometheusExporter, show: Callable[[Snapshot], None]
) -> None:
    events = [slow_wait(duration, span=SpanContext(1, int(duration), 1)) for duration in (20.0, 40.0, 10.0)]
    exporter.export(Snapshot(taken_at=NOON), events)
    show(Snapshot(taken_at=NOON, locks=(lock(wait=histogram(10.0, 20.0, 40.0)),)))
    exemplar = wait_buckets(exporter)[math.inf].exemplar
    assert exemplar is not None
    assert exemplar.value == 40.0


def test_the_text_format_is_the_same_with_exemplars_and_without(
    exporter: PrometheusExporter, show: Callable[[Snapshot], None]
) -> None:
    show(snapshot_of_a_shop())
    before = get(exporter.url)[0]
    exporter.export(snapshot_of_a_shop(), [slow_wait(span=SpanContext(1, 2, 1))])
    assert get(exporter.url)[0] == before
    assert get(exporter.url, OPENMETRICS)[0].count("trace_id") == 1


def test_a_forked_child_shows_no_spans_of_its_parent(
    exporter: PrometheusExporter, show: Callable[[Snapshot], None]
) -> None:
    exporter.export(snapshot_of_a_shop(), [slow_wait(span=SpanContext(1, 2, 1))])
    show(snapshot_of_a_shop())
    assert "trace_id" in get(exporter.url, OPENMETRICS)[0]
    registry = exporter._registry
    exporter.after_fork_in_child()
    assert "trace_id" not in generate_latest(registry).decode()


def test_histograms_and_gauges_exist_only_for_locks_that_were_waited_for(
    exporter: PrometheusExporter, show: Callable[[Snapshot], None]
) -> None:
    show(
        Snapshot(
            taken_at=0.0,
            locks=(lock("contended", wait=histogram(0.1)), lock("quiet", hold=histogram(0.1))),
        )
    )
    found = families(exporter)

    def names(family: str) -> set[str]:
        return {sample.labels["python_lock_name"] for sample in found[family].samples}

    assert names("python_lock_wait_duration_seconds") == {"contended"}
    assert names("python_lock_hold_duration_seconds") == {"contended"}
    assert names("python_lock_waiters") == {"contended"}
    assert names("python_lock_contentions") == {"contended", "quiet"}


def test_a_lock_whose_first_wait_does_not_end_is_shown(
    exporter: PrometheusExporter, show: Callable[[Snapshot], None]
) -> None:
    show(Snapshot(taken_at=0.0, locks=(lock(waiters=2, oldest_wait=30.0),)))
    found = families(exporter)
    assert value(found, "python_lock_waiters", python_lock_name=HOT) == 2
    assert value(found, "python_lock_wait_oldest_seconds", python_lock_name=HOT) == 30.0


@pytest.mark.parametrize("form", PARSERS)
@pytest.mark.parametrize("name", ['say "hi"', "back\\slash", "two\nlines", "Schloß 鎖", 'le="1"} 7', ""])
def test_names_arrive_as_they_were_given(
    name: str, form: str, exporter: PrometheusExporter, show: Callable[[Snapshot], None]
) -> None:
    show(Snapshot(taken_at=0.0, locks=(lock(name, wait=histogram(0.1)),)))
    assert value(families(exporter, form), "python_lock_contentions_total", python_lock_name=name) == 1


def test_a_path_that_is_no_text_does_not_spoil_the_page(
    exporter: PrometheusExporter, show: Callable[[Snapshot], None]
) -> None:
    odd = Site("shop.f", os.fsdecode(b"/app/\xff.py"), 1)
    show(replace(snapshot_of_a_shop(), waits=(WaitStats(HOT, odd, odd, 1, 0.5),)))
    assert value(families(exporter), "python_lock_blame_time_seconds_total", code_file_path=r"/app/\udcff.py") == 0.5


def test_a_real_contention_is_on_the_page(
    core: ModuleType, exporter: PrometheusExporter, wait_until: Callable[[Callable[[], object]], None]
) -> None:
    guard = thread.allocate_lock(name="test.guard")
    done = threading.Event()

    def wait() -> None:
        with guard:
            done.set()

    guard.acquire()
    thread.start_new_thread(wait, (), name="test.waiter")
    wait_until(lambda: value(families(exporter), "python_lock_waiters", python_lock_name="test.guard"))
    guard.release()
    assert done.wait(10)
    found = families(exporter)
    assert value(found, "python_lock_acquisitions_total", python_lock_name="test.guard") == 2
    assert value(found, "python_lock_contentions_total", python_lock_name="test.guard") == 1
    assert value(found, "python_lock_wait_duration_seconds_count", python_lock_name="test.guard") == 1
    waited = value(found, "python_lock_wait_duration_seconds_sum", python_lock_name="test.guard")
    blamed = [
        sample.value
        for sample in found["python_lock_blame_time_seconds"].samples
        if sample.labels["python_lock_name"] == "test.guard"
    ]
    assert waited == pytest.approx(sum(blamed))
    assert value(found, "python_thread_started_total", python_thread_target="test.waiter") == 1


def test_more_threads_and_locks_of_the_same_places_are_no_more_series(
    core: ModuleType, exporter: PrometheusExporter, wait_until: Callable[[Callable[[], object]], None]
) -> None:
    worked: list[None] = []

    def work_with_a_lock_of_its_own() -> None:
        with thread.allocate_lock():
            worked.append(None)

    def series_after(threads: int) -> set[tuple[str, str]]:
        worked.clear()
        for _ in range(threads):
            thread.start_new_thread(work_with_a_lock_of_its_own, ())
        wait_until(lambda: len(worked) == threads and not core.read_live_threads())
        return {
            (sample.name, str(sorted(sample.labels.items())))
            for family in families(exporter).values()
            for sample in family.samples
            if "work_with_a_lock_of_its_own" in str(sample.labels)
        }

    once = series_after(1)
    assert once and series_after(100) == once


def test_a_registry_is_not_collected_from_twice(exporter: PrometheusExporter, registry: CollectorRegistry) -> None:
    with pytest.raises(ValueError, match="expected a registry without the metrics of thread.telemetry, got one that"):
        PrometheusExporter(registry)
