"""The form in which OpenTelemetry knows instrumentations."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from conftest import WaitUntil
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from otlp_receiver import OtlpReceiver, attributes_of
from programs import output_of

from thread_exporters._otel import scope as _scope
from thread_exporters._schema.metrics import METRICS, NumberMetric
from thread_exporters.instrumentor import ThreadInstrumentor


@pytest.fixture
def instrumentor(core: ModuleType, telemetry: ModuleType) -> Iterator[ThreadInstrumentor]:
    instrumentor = ThreadInstrumentor()
    yield instrumentor
    if instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.uninstrument()


def test_it_is_found_by_its_entry_point() -> None:
    [found] = entry_points(group="opentelemetry_instrumentor", name="thread")
    assert found.load() is ThreadInstrumentor


def test_it_uses_the_providers_that_it_is_given(
    instrumentor: ThreadInstrumentor,
    telemetry: ModuleType,
    wait_until: WaitUntil,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN", "logs")
    monkeypatch.setattr(threading, "excepthook", lambda args: None)
    spans, records, reader = InMemorySpanExporter(), InMemoryLogRecordExporter(), InMemoryMetricReader()
    tracer_provider, logger_provider = TracerProvider(), LoggerProvider()
    tracer_provider.add_span_processor(SimpleSpanProcessor(spans))
    logger_provider.add_log_record_processor(SimpleLogRecordProcessor(records))
    instrumentor.instrument(
        tracer_provider=tracer_provider,
        logger_provider=logger_provider,
        meter_provider=MeterProvider(metric_readers=[reader]),
    )
    telemetry.configure(export_interval=0.02)
    with threading.Lock():
        threading.Thread(target=lambda: 1 / 0).start()
    wait_until(lambda: spans.get_finished_spans() and records.get_finished_logs())
    assert spans.get_finished_spans()[0].name.startswith("thread ")
    data: Any = reader.get_metrics_data()
    [scope] = data.resource_metrics[0].scope_metrics
    assert (scope.scope.name, scope.schema_url) == (_scope.NAME, _scope.SCHEMA_URL)
    seen = {metric.name: (metric.unit, metric.description) for metric in scope.metrics}
    known = {metric.name: (metric.unit, metric.description) for metric in METRICS if isinstance(metric, NumberMetric)}
    assert seen.items() <= known.items()
    assert {"python.lock.acquisitions", "python.thread.unhandled_exceptions"} <= seen.keys()
    [exceptions] = [metric for metric in scope.metrics if metric.name == "python.thread.unhandled_exceptions"]
    [point] = exceptions.data.data_points
    assert (point.value, point.attributes["error.type"]) == (1, "ZeroDivisionError")


def test_uninstrument_gives_everything_back(
    instrumentor: ThreadInstrumentor, telemetry: ModuleType, core: ModuleType, wait_until: WaitUntil
) -> None:
    original = threading.Lock
    reader = InMemoryMetricReader()
    instrumentor.instrument(meter_provider=MeterProvider(metric_readers=[reader]))
    assert threading.Lock is not original
    instrumentor.uninstrument()
    assert threading.Lock is original
    assert reader.get_metrics_data() is None
    wait_until(lambda: core.untracked_count() == 0)


def test_it_may_be_turned_on_again(instrumentor: ThreadInstrumentor, core: ModuleType) -> None:
    for _ in range(2):
        instrumentor.instrument()
        assert core.listening()
        instrumentor.uninstrument()
        assert not core.listening()


APP = """
import threading, time
from opentelemetry import trace

def work():
    with trace.get_tracer("app").start_as_current_span("query"):
        pass

guard = threading.Lock()
held = threading.Event()

def own():
    with trace.get_tracer("app").start_as_current_span("refresh"), guard:
        held.set()
        time.sleep(0.2)

with trace.get_tracer("app").start_as_current_span("request"):
    worker = threading.Thread(target=work)
    worker.start()
    worker.join()
    owner = threading.Thread(target=own)
    owner.start()
    held.wait()
    with guard:
        pass
    owner.join()
"""


def test_opentelemetry_instrument_turns_it_on_for_a_program_as_it_is(tmp_path: Path) -> None:
    program = tmp_path / "app.py"
    program.write_text(APP)
    with OtlpReceiver() as receiver:
        environment = os.environ | {
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint,
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_METRICS_EXPORTER": "thread_otlp",
            "OTEL_LOGS_EXPORTER": "none",
            "OTEL_SERVICE_NAME": "shop",
            "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "threading",
        }
        command = [str(Path(sys.executable).with_name("opentelemetry-instrument")), sys.executable, str(program)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")
        spans = {span.name: span for _, _, span in receiver.spans()}
        names = {name: metric for _, _, metric in receiver.metrics() for name in [metric.name]}
    request, wait = spans["request"], spans["lock wait __main__:guard"]
    assert wait.parent_span_id == request.span_id
    assert wait.links[0].span_id == spans["refresh"].span_id
    assert spans["query"].parent_span_id == spans["thread __main__:work"].span_id
    assert spans["thread __main__:work"].parent_span_id == request.span_id
    assert {"python.lock.wait.duration", "python.thread.duration", "python.lock.acquisitions"} <= names.keys()
    assert {attributes_of(resource)["service.name"] for resource, _, _ in receiver.spans()} == {"shop"}


@pytest.mark.parametrize(
    "switch", [{"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "thread, threading"}, {"OTEL_SDK_DISABLED": "true"}], ids=str
)
def test_opentelemetry_instrument_leaves_it_off_where_it_is_told_to(switch: dict[str, str], tmp_path: Path) -> None:
    program = tmp_path / "app.py"
    program.write_text("import threading; worker = threading.Thread(target=int); worker.start(); worker.join()")
    with OtlpReceiver() as receiver:
        environment = os.environ | {
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint,
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        }
        command = [str(Path(sys.executable).with_name("opentelemetry-instrument")), sys.executable, str(program)]
        done = subprocess.run(command, env=environment | switch, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stderr) == (0, "")
        assert receiver.spans() == []
        assert not [scope for _, scope, _ in receiver.metrics() if scope.name == _scope.NAME]


def test_only_the_api_is_imported_until_an_sdk_is_wanted() -> None:
    lines = output_of(
        """
        import sys
        from thread_exporters.instrumentor import ThreadInstrumentor
        ThreadInstrumentor().instrument()
        print(sorted(name for name in sys.modules if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))))
        """
    )
    assert lines == ["[]"]


def test_what_cannot_be_observed_is_one_line_and_stops_no_other_instrumentation(
    instrumentor: ThreadInstrumentor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse() -> None:
        raise RuntimeError("greenlets replace threads")

    monkeypatch.setattr("thread.telemetry.instrument", refuse)
    instrumentor.instrument()
    assert [record.getMessage() for record in caplog.records] == [
        "cannot observe all threads and locks: RuntimeError: greenlets replace threads"
    ]
    instrumentor.uninstrument()


def test_metrics_that_cannot_be_read_are_one_line_for_all_instruments(
    instrumentor: ThreadInstrumentor, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise ValueError("no snapshot")

    reader = InMemoryMetricReader()
    instrumentor.instrument(meter_provider=MeterProvider(metric_readers=[reader]))
    monkeypatch.setattr("thread.telemetry.snapshot", fail)
    for _ in range(3):
        reader.collect()
    assert [record.getMessage() for record in caplog.records] == [
        "cannot read the metrics; further failures will not be logged"
    ]
