"""Requests of the exporters themselves are not traced by instrumentations."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

import pytest
import requests
from handmade import slow_wait
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from otlp_receiver import OtlpReceiver

from thread import telemetry as public
from thread_exporters.otel_metrics import ThreadMetricExporter
from thread_exporters.otlp import OtlpExporter


@pytest.fixture
def traced(core: ModuleType) -> Iterator[InMemorySpanExporter]:
    """Collect the spans of all traced requests."""
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    instrumentors = (RequestsInstrumentor(), URLLib3Instrumentor())
    for instrumentor in instrumentors:
        instrumentor.instrument(tracer_provider=provider)
    yield spans
    for instrumentor in instrumentors:
        instrumentor.uninstrument()


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[OtlpReceiver]:
    with OtlpReceiver() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint)
        yield receiver


def test_requests_of_the_program_are_traced(traced: InMemorySpanExporter, receiver: OtlpReceiver) -> None:
    requests.post(f"{receiver.endpoint}/v1/traces", data=b"", timeout=10)
    assert traced.get_finished_spans()


def test_requests_of_the_exporter_are_not(traced: InMemorySpanExporter, receiver: OtlpReceiver) -> None:
    exporter = OtlpExporter()
    exporter.export(public.snapshot(), [slow_wait()])
    exporter.shutdown(5)
    assert receiver.attempts >= 2
    assert traced.get_finished_spans() == ()


def test_requests_of_the_exporter_are_not_taken_for_the_programs_by_its_tests(
    core: ModuleType, receiver: OtlpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Replace adapters the way `responses` and `requests_mock` do."""
    seen: list[object] = []
    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", lambda *arguments, **options: seen.append(arguments))
    monkeypatch.setattr(requests.Session, "get_adapter", lambda *arguments, **options: seen.append(arguments))
    exporter = OtlpExporter()
    exporter.export(public.snapshot(), [slow_wait()])
    exporter.shutdown(5)
    assert receiver.attempts >= 2
    assert seen == []


def test_requests_of_the_metrics_exporter_are_not(
    traced: InMemorySpanExporter, receiver: OtlpReceiver, telemetry: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = PeriodicExportingMetricReader(ThreadMetricExporter())
    provider = MeterProvider([reader], shutdown_on_exit=False)
    provider.get_meter("shop").create_counter("orders").add(1)
    provider.shutdown()
    assert receiver.metrics()
    assert traced.get_finished_spans() == ()
