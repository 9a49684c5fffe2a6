from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from handmade import NOON, slow_wait, snapshot_of_a_shop, thread_finished, unhandled_exception
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from thread._core_py import _blame, _blocking, _identities, _sites, _targets
from thread._inspection import unhandled
from thread._observed import executors
from thread.telemetry import SpanContext
from thread_exporters._otel.exceptions import VARIABLE
from thread_exporters._otel.span_builder import MAX_STACK, SpanBuilder
from thread_exporters._schema.attributes import ATTRIBUTES, MAX_SITES, MOST_SERIES, Attribute
from thread_exporters._schema.metrics import METRICS, Metric

LISTED = {attribute.name: attribute for attribute in ATTRIBUTES}
OF_METRICS = {name for metric in METRICS for name in metric.attributes}

REQUEST = SpanContext(0xA1, 0xB1, trace_flags=1)
THREAD = SpanContext(REQUEST.trace_id, 0xC1, trace_flags=1)

each_attribute = pytest.mark.parametrize("attribute", ATTRIBUTES, ids=lambda attribute: attribute.name)
each_metric = pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)


@each_metric
def test_attributes_of_a_metric_are_listed_and_bounded(metric: Metric) -> None:
    for name in metric.attributes:
        assert LISTED[name].values or LISTED[name].most_values


@each_metric
def test_a_metric_has_at_most_the_series_that_are_told(metric: Metric) -> None:
    most = MOST_SERIES[metric.attributes]
    several = [LISTED[name].values for name in metric.attributes if LISTED[name].values]
    if len(several) == len(metric.attributes) == 1:
        assert most == len(several[0])


@each_attribute
def test_an_attribute_is_listed_once_is_used_and_is_described_by_sentences(attribute: Attribute) -> None:
    assert [each.name for each in ATTRIBUTES].count(attribute.name) == 1
    assert attribute.carriers or attribute.name in OF_METRICS
    assert attribute.description.endswith(".")
    assert attribute.description[0].isupper()


@each_attribute
def test_an_example_is_a_value_that_the_attribute_can_have(attribute: Attribute) -> None:
    {"string": str, "int": int, "double": float}[attribute.type](attribute.example)
    assert attribute.example
    assert not attribute.values or attribute.example in attribute.values


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_values_of_a_fixed_set_are_in_it(metric: Metric) -> None:
    for attributes, _ in metric.read(snapshot_of_a_shop()):  # type: ignore[attr-defined]
        for name, value in zip(metric.attributes, attributes):
            assert not LISTED[name].values or value in LISTED[name].values


def test_bounds_are_those_of_both_cores() -> None:
    told = (
        LISTED["python.lock.name"].most_values,
        MAX_SITES,
        LISTED["python.thread.target"].most_values,
        MOST_SERIES[next(metric.attributes for metric in METRICS if metric.name == "python.lock.blame.time")],
        LISTED["python.blocking.name"].most_values,
    )
    assert told == (
        _identities.MAX_IDENTITIES,
        _sites.MAX_SITES,
        _targets.MAX_TARGETS,
        _blame.MAX_ROWS,
        _blocking.MAX_ROWS,
    )
    sources = Path(__file__).parents[3] / "src" / "thread" / "_c"
    in_c = {
        f"{file}: {name}": int(number)
        for file in ("identities.c", "sites.c", "targets.c", "blame.c", "blocking.c")
        for name, number in re.findall(r"^#define (MAX_\w+) (\d+)", (sources / file).read_text(), re.M)
    }
    names = (
        "identities.c: MAX_IDENTITIES",
        "sites.c: MAX_SITES",
        "targets.c: MAX_TARGETS",
        "blame.c: MAX_ROWS",
        "blocking.c: MAX_ROWS",
    )
    assert told == tuple(in_c[name] for name in names)


def test_bounds_are_those_of_what_is_around_the_core() -> None:
    assert LISTED["error.type"].most_values == unhandled.MAX_EXCEPTION_STATS
    assert LISTED["python.executor.name"].most_values == executors.MAX_NAMES
    assert f"{MAX_STACK:,} characters" in LISTED["code.stacktrace"].description


def test_spans_links_events_and_log_records_have_the_attributes_that_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "logs/dup")
    spans, records = InMemorySpanExporter(), InMemoryLogRecordExporter()
    tracer_provider, logger_provider = TracerProvider(), LoggerProvider()
    tracer_provider.add_span_processor(SimpleSpanProcessor(spans))
    logger_provider.add_log_record_processor(SimpleLogRecordProcessor(records))
    wait = replace(slow_wait(span=REQUEST), owner_span=REQUEST, task="Task-7")
    finished = replace(
        thread_finished(),
        ident=1,
        native_id=4244,
        outcome="raised",
        starter_span=REQUEST,
        span=THREAD,
        span_was_read=True,
        left_trace_at=NOON + 1,
    )
    SpanBuilder(tracer_provider, logger_provider).build([wait, unhandled_exception(), finished])

    [waited, *of_thread] = spans.get_finished_spans()
    seen = {
        "span of a slow wait": {*(waited.attributes or ())},
        "span of a thread": {name for span in of_thread for name in span.attributes or ()},
        "link": {name for span in (waited, *of_thread) for link in span.links for name in link.attributes or ()},
        "exception event": {name for span in of_thread for event in span.events for name in event.attributes or ()},
        "log record of an exception": {
            name for record in records.get_finished_logs() for name in record.log_record.attributes or ()
        },
    }
    assert seen == {carrier: {each.name for each in ATTRIBUTES if carrier in each.carriers} for carrier in seen}
