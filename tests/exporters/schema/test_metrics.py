from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from handmade import lock, snapshot_of_a_shop

from thread.telemetry import (
    BlockingStats,
    ExceptionStats,
    ExecutorStats,
    Histogram,
    Site,
    Snapshot,
    ThreadStats,
    WaitStats,
)
from thread_exporters._schema.metrics import METRICS, HistogramMetric, Metric, NumberMetric

# The names in people's dashboards. Changing one of them breaks those dashboards.
PUBLISHED = """
python.thread.count                 updowncounter {thread}      python_thread_count
python.thread.started               counter       {thread}      python_thread_started_total
python.thread.duration              histogram     s             python_thread_duration_seconds
python.thread.start.duration        histogram     s             python_thread_start_duration_seconds
python.thread.cpu.time              counter       s             python_thread_cpu_time_seconds_total
python.thread.unhandled_exceptions  counter       {exception}   python_thread_unhandled_exceptions_total
python.lock.acquisitions            counter       {acquisition} python_lock_acquisitions_total
python.lock.contentions             counter       {contention}  python_lock_contentions_total
python.lock.timeouts                counter       {timeout}     python_lock_timeouts_total
python.lock.wait.duration           histogram     s             python_lock_wait_duration_seconds
python.lock.hold.duration           histogram     s             python_lock_hold_duration_seconds
python.lock.waiters                 updowncounter {thread}      python_lock_waiters
python.lock.wait.oldest             gauge         s             python_lock_wait_oldest_seconds
python.lock.blame.time              counter       s             python_lock_blame_time_seconds_total
python.blocking.duration            histogram     s             python_blocking_duration_seconds
python.blocking.time                counter       s             python_blocking_time_seconds_total
python.blocking.waiters             updowncounter {thread}      python_blocking_waiters
python.blocking.oldest              gauge         s             python_blocking_oldest_seconds
python.executor.workers             updowncounter {thread}      python_executor_workers
python.executor.queue.length        updowncounter {task}        python_executor_queue_length
python.executor.tasks.submitted     counter       {task}        python_executor_tasks_submitted_total
python.executor.tasks.finished      counter       {task}        python_executor_tasks_finished_total
python.executor.unread_exceptions   counter       {exception}   python_executor_unread_exceptions_total
python.executor.queue.duration      histogram     s             python_executor_queue_duration_seconds
python.executor.run.duration        histogram     s             python_executor_run_duration_seconds
python.thread.telemetry.info gauge {process} python_thread_telemetry_info
python.thread.telemetry.child.processes gauge {process} python_thread_telemetry_child_processes
python.thread.telemetry.instrumented gauge        {process}     python_thread_telemetry_instrumented
python.thread.telemetry.unobserved.locks gauge    {lock}        python_thread_telemetry_unobserved_locks
python.thread.telemetry.unobserved.modules gauge  {module}      python_thread_telemetry_unobserved_modules
python.thread.telemetry.dropped     counter       {event}       python_thread_telemetry_dropped_total
python.thread.telemetry.faults            counter   {error}    python_thread_telemetry_faults_total
python.thread.telemetry.capped            gauge     {cap}      python_thread_telemetry_capped
python.thread.telemetry.exports           counter   {export}   python_thread_telemetry_exports_total
python.thread.telemetry.export.failures   counter   {failure}  python_thread_telemetry_export_failures_total
python.thread.telemetry.export.last.timestamp  gauge  s        python_thread_telemetry_export_last_timestamp_seconds
python.thread.telemetry.unreadable.files gauge    {file}        python_thread_telemetry_unreadable_files
"""

each_metric = pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)


def named(name: str) -> NumberMetric | HistogramMetric:
    return next(metric for metric in METRICS if metric.name == name)


def test_names_instruments_and_units_are_the_published_ones() -> None:
    rows = [[metric.name, metric.instrument, metric.unit, metric.prometheus_name] for metric in METRICS]
    assert rows == [line.split() for line in PUBLISHED.strip().splitlines()]


def test_labels_are_the_attributes_in_the_spelling_of_prometheus() -> None:
    assert named("python.lock.acquisitions").prometheus_labels == ("python_lock_name", "python_lock_type")
    assert named("python.thread.unhandled_exceptions").prometheus_labels == ("error_type", "python_thread_target")
    assert named("python.lock.blame.time").prometheus_labels[:4] == (
        "python_lock_name",
        "code_function_name",
        "code_file_path",
        "code_line_number",
    )


@each_metric
def test_sites_are_no_attributes_of_histograms(metric: Metric) -> None:
    has_sites = any(attribute.startswith("code.") for attribute in metric.attributes)
    assert not has_sites or metric.instrument != "histogram"


@each_metric
def test_a_description_is_a_sentence(metric: Metric) -> None:
    assert metric.description.endswith(".")
    assert metric.description[0].isupper()


@each_metric
def test_every_point_has_a_value_for_each_attribute_and_no_two_have_the_same(
    metric: NumberMetric | HistogramMetric,
) -> None:
    points = list(metric.read(snapshot_of_a_shop()))
    keys = [attributes for attributes, _ in points]
    assert points
    assert {len(key) for key in keys} == {len(metric.attributes)}
    assert len(set(keys)) == len(keys)


@each_metric
def test_an_empty_snapshot_has_no_series_but_that_of_the_process(metric: NumberMetric | HistogramMetric) -> None:
    # Caps hold per process.
    series = 6 if metric.name == "python.thread.telemetry.capped" else int(not metric.attributes)
    assert len(list(metric.read(Snapshot(taken_at=0.0)))) == series


def test_a_cap_that_is_reached_is_told() -> None:
    def reached(**parts: Any) -> set[str]:
        points = named("python.thread.telemetry.capped").read(Snapshot(taken_at=0.0, **parts))
        return {str(cap) for (cap,), value in points if value}

    rest, place = Site("other", "", 0), Site("other", "other.py", 1)
    locks = replace(lock("other"), location=""), lock("other")
    assert reached(locks=locks[1:], waits=(WaitStats("guard", place, place, 1, 0.5),)) == set()
    assert reached(locks=locks) == {"locks"}
    assert reached(waits=(WaitStats("guard", place, rest, 1, 0.5),)) == {"sites"}
    assert reached(blocking=(BlockingStats("queue", "other", rest, Histogram()),)) == {"blocking"}
    assert reached(exceptions=(ExceptionStats("other", "other", 1, "", 0.0),)) == {"exceptions"}
    threads = [ThreadStats(f"target {number}", 1, 1, 0, Histogram(), Histogram(), 0.0) for number in range(1001)]
    assert reached(threads=tuple(threads[:-1])) == set()
    assert reached(threads=tuple(threads)) == {"threads"}
    executors = [ExecutorStats(str(number), 1, 1, 0, 0, 0, 0, 0, Histogram(), Histogram()) for number in range(501)]
    assert reached(executors=tuple(executors)) == {"executors"}


@pytest.mark.parametrize("metric", [each for each in METRICS if isinstance(each, HistogramMetric)], ids=str)
def test_bounds_are_ascending_and_among_those_recorded(metric: HistogramMetric) -> None:
    assert list(metric.bounds) == sorted(set(metric.bounds))
    assert set(metric.bounds) <= set(Histogram.bounds)


def test_blame_of_two_locks_with_one_name_is_added_up() -> None:
    here, there = Site("a.f", "a.py", 1), Site("b.g", "b.py", 2)
    snapshot = Snapshot(
        taken_at=0.0, waits=(WaitStats("guard", here, there, 1, 0.5), WaitStats("guard", here, there, 2, 0.25))
    )
    assert list(named("python.lock.blame.time").read(snapshot)) == [
        (("guard", "a.f", "a.py", 1, "b.g", "b.py", 2), 0.75)
    ]


def test_blocking_is_added_up_over_its_sites() -> None:
    snapshot = snapshot_of_a_shop()
    for rows in (snapshot.blocking, snapshot.blocking[::-1]):
        points = dict(named("python.blocking.duration").read(replace(snapshot, blocking=rows)))
        queue = points["queue",]
        assert isinstance(queue, Histogram)
        assert (queue.count, queue.sum, queue.max, sum(queue.buckets)) == (3, 4.5, 2.0, 3)
        assert set(points) == {("queue",), ("join",)}
