"""The exporter `otlp` follows each of OpenTelemetry's standard variables, or logs one line that it does not."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from types import ModuleType

import pytest
from handmade import HOT, histogram, lock, slow_wait
from otlp_receiver import OtlpReceiver, attributes_of
from programs import output_of

from thread import telemetry as public
from thread.telemetry import Snapshot, SpanContext, UnhandledException
from thread_exporters.otel_metrics import OtlpMetrics
from thread_exporters.otlp import OtlpExporter

SIGNALS = ("traces", "logs", "metrics")
SPAN = SpanContext(0xA1, 0xB2, 1)


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch, core: ModuleType) -> Iterator[OtlpReceiver]:
    with OtlpReceiver() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint)
        monkeypatch.setenv("OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN", "logs")
        yield receiver


def send_everything() -> None:
    """Export a span, a log record and metrics at once."""
    exporter = OtlpExporter()
    failure = UnhandledException(
        at=time.time(),
        ident=1,
        native_id=1,
        target="shop:work",
        type="KeyError",
        message="1",
        traceback="",
        site=slow_wait().acquire_site,
        source="future",
        span=None,
    )
    exporter.export(public.snapshot(), [slow_wait(0.12, span=SPAN), failure])
    exporter.shutdown(5)


def signals_in(receiver: OtlpReceiver) -> set[str]:
    return {path.rpartition("/")[2] for path, _ in receiver.headers}


def test_all_signals_are_sent_unless_the_environment_says_otherwise(receiver: OtlpReceiver) -> None:
    send_everything()
    assert signals_in(receiver) == set(SIGNALS)


@pytest.mark.parametrize("value", ["true", "TRUE", " True "])
def test_a_disabled_sdk_sends_nothing(
    receiver: OtlpReceiver, value: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", value)
    send_everything()
    assert OtlpMetrics().export(public.snapshot(), ())
    assert receiver.attempts == 0
    assert caplog.records == []


@pytest.mark.parametrize("value", ["false", "1", ""])
def test_only_true_disables_the_sdk(receiver: OtlpReceiver, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", value)
    send_everything()
    assert signals_in(receiver) == set(SIGNALS)


@pytest.mark.parametrize("signal", SIGNALS)
def test_none_leaves_one_signal_out(receiver: OtlpReceiver, signal: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"OTEL_{signal.upper()}_EXPORTER", " None ")
    send_everything()
    assert signals_in(receiver) == set(SIGNALS) - {signal}


@pytest.mark.parametrize("signal", SIGNALS)
def test_each_signal_may_have_variables_of_its_own(
    receiver: OtlpReceiver, signal: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix = f"OTEL_EXPORTER_OTLP_{signal.upper()}"
    monkeypatch.setenv(f"{prefix}_ENDPOINT", f"{receiver.endpoint}/tenant/v1/{signal}")
    monkeypatch.setenv(f"{prefix}_HEADERS", "x-tenant=shop")
    monkeypatch.setenv(f"{prefix}_COMPRESSION", "gzip")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-tenant=all")
    send_everything()
    by_path = dict(receiver.headers)
    assert by_path.keys() == {f"/v1/{each}" for each in SIGNALS if each != signal} | {f"/tenant/v1/{signal}"}
    for path, headers in by_path.items():
        its_own = path.startswith("/tenant")
        assert headers["x-tenant"] == ("shop" if its_own else "all")
        assert headers["Content-Encoding"] == ("gzip" if its_own else None)


def test_the_resource_is_that_of_the_environment(receiver: OtlpReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "shop")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,deployment.environment.name=test")
    send_everything()
    for resource, *_ in (*receiver.spans(), *receiver.metrics(), *receiver.logs()):
        attributes = attributes_of(resource)
        assert (attributes["service.name"], attributes["deployment.environment.name"]) == ("shop", "test")


def test_the_sampler_decides_about_spans_and_leaves_the_rest(
    receiver: OtlpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    send_everything()
    assert signals_in(receiver) == {"logs", "metrics"}


def test_exemplars_can_be_turned_off(receiver: OtlpReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    def exemplars() -> int:
        receiver.requests.clear()
        exporter = OtlpExporter()
        exporter.export(Snapshot(time.time(), locks=(lock(wait=histogram(0.12)),)), [slow_wait(0.12, span=SPAN)])
        exporter.shutdown(5)
        [waits] = [metric for _, _, metric in receiver.metrics() if metric.name == "python.lock.wait.duration"]
        return sum(len(point.exemplars) for point in waits.histogram.data_points)

    assert exemplars() == 1
    monkeypatch.setenv("OTEL_METRICS_EXEMPLAR_FILTER", "always_off")
    assert exemplars() == 0


def test_metrics_keep_to_the_interval_that_the_environment_gives(
    receiver: OtlpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "60000")
    exporter = OtlpExporter()
    for number in range(3):
        exporter.export(public.snapshot(), [slow_wait(lock=f"{HOT}{number}")])
    sent = [path for path, _ in receiver.headers]
    assert (sent.count("/v1/metrics"), sent.count("/v1/traces")) == (1, 3)
    # The last export has everything counted since.
    exporter.finish_by(time.monotonic() + 5)
    exporter.export(public.snapshot(), ())
    assert [path for path, _ in receiver.headers].count("/v1/metrics") == 2
    exporter.shutdown(5)


def test_metrics_give_up_after_the_time_out_of_the_environment(
    receiver: OtlpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_METRIC_EXPORT_TIMEOUT", "50")
    receiver.delay = 60
    exporter = OtlpExporter()
    with pytest.raises(public.ExportError, match="cannot send metrics"):
        exporter.export(public.snapshot(), ())
    exporter.shutdown(0)


def test_a_request_takes_no_longer_than_the_time_out_of_the_environment(
    receiver: OtlpReceiver, telemetry: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    telemetry.configure(export_timeout=600.0)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.2")
    receiver.delay = 600
    exporter = OtlpExporter()
    began = time.monotonic()
    with pytest.raises(public.ExportError, match="timed out"):
        exporter.export(public.snapshot(), ())
    assert time.monotonic() - began < 60
    exporter.shutdown(0)


@pytest.mark.parametrize("value", ["collector:4318", "http://"])
def test_an_endpoint_that_cannot_be_used_is_named(
    receiver: OtlpReceiver, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", value)
    exporter = OtlpExporter()
    with pytest.raises(public.ExportError, match=re.escape(value)):
        exporter.export(public.snapshot(), ())
    exporter.shutdown(0)


@pytest.mark.parametrize("variable", ["OTEL_METRIC_EXPORT_INTERVAL", "OTEL_METRIC_EXPORT_TIMEOUT"])
@pytest.mark.parametrize("value", ["soon", "0", "nan", "-1"])
def test_a_wrong_number_is_one_line_and_the_default(
    receiver: OtlpReceiver,
    variable: str,
    value: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv(variable, value)
    send_everything()
    assert signals_in(receiver) == set(SIGNALS)
    assert [record.getMessage() for record in caplog.records] == [
        f"{variable}: expected a number of milliseconds above 0, got {value!r}; ignoring it"
    ]


@pytest.mark.parametrize("variable", ["OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"])
def test_another_protocol_is_one_line(
    receiver: OtlpReceiver, variable: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(variable, "grpc")
    send_everything()
    assert signals_in(receiver) == set(SIGNALS)
    [record] = caplog.records
    assert record.getMessage().startswith(f"{variable}: expected http/protobuf, got 'grpc'")


@pytest.mark.parametrize("variable", ["OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL"])
def test_the_protocol_that_is_spoken_is_no_line(
    receiver: OtlpReceiver, variable: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(variable, "http/protobuf")
    send_everything()
    assert caplog.records == []


def test_a_process_observed_by_the_environment_alone_is_silent_where_the_sdk_is_disabled() -> None:
    program = "import threading; t = threading.Thread(target=int); t.start(); t.join(); print('done')"
    with OtlpReceiver() as receiver:
        environment = {
            "THREAD_TELEMETRY": "1",
            "THREAD_TELEMETRY_EXPORTERS": "otlp",
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint,
        }
        assert output_of(program, **environment) == ["done"]
        assert receiver.attempts
        receiver.attempts = 0
        assert output_of(program, **environment, OTEL_SDK_DISABLED="true") == ["done"]
        assert receiver.attempts == 0
