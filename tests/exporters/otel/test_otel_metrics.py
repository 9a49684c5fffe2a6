from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from types import ModuleType

import pytest
from handmade import snapshot_of_a_shop
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics.export import MetricsData, ResourceMetrics, ScopeMetrics
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from otlp_receiver import OtlpReceiver, attributes_of
from programs import output_of

import thread
from thread_exporters._otel.scope import NAME, SCHEMA_URL, VERSION
from thread_exporters._schema.metrics import METRICS
from thread_exporters.otel_metrics import OtlpMetrics, ThreadMetricExporter

WaitUntil = Callable[[Callable[[], object]], None]


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    with OtlpReceiver() as receiver:
        yield receiver


def names_in(receiver: OtlpReceiver, scope: str = NAME) -> list[str]:
    return [metric.name for _, its_scope, metric in receiver.metrics() if its_scope.name == scope]


def run_instrumented(source: str, receiver: OtlpReceiver, **environment: str) -> None:
    """Run a program under the SDK's automatic configuration. It must succeed and write nothing to stderr."""
    command = [Path(sys.executable).with_name("opentelemetry-instrument"), sys.executable, "-c", dedent(source)]
    standard = {
        "OTEL_METRICS_EXPORTER": "thread_otlp",
        "OTEL_TRACES_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint,
        "OTEL_SERVICE_NAME": "shop",
        # The SDK also gives up a collection after this time, which a busy machine may need.
        "OTEL_METRIC_EXPORT_INTERVAL": "500",
    }
    ran = subprocess.run(
        command, env=os.environ | standard | environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stderr


def test_an_application_without_metrics_sends_ours_under_its_resource(receiver: OtlpReceiver) -> None:
    run_instrumented(
        """
        import thread

        guard = thread.allocate_lock(name="shop.guard")
        with guard:
            pass
        """,
        receiver,
    )
    locks = [metric for _, _, metric in receiver.metrics() if metric.name == "python.lock.acquisitions"]
    points = {attributes_of(point)["python.lock.name"]: point.as_int for point in locks[-1].sum.data_points}
    assert points["shop.guard"] == 1
    for resource, scope, _ in receiver.metrics():
        assert (scope.name, scope.version) == (NAME, VERSION)
        assert attributes_of(resource)["service.name"] == "shop"
        assert "telemetry.auto.version" in attributes_of(resource)
    assert receiver.schema_urls()[NAME] == SCHEMA_URL


def test_the_metrics_of_the_application_are_sent_beside_ours(receiver: OtlpReceiver) -> None:
    run_instrumented(
        """
        from opentelemetry.metrics import get_meter

        get_meter("shop").create_counter("orders").add(3)
        """,
        receiver,
    )
    assert "orders" in names_in(receiver, "shop")
    assert "python.thread.telemetry.instrumented" in names_in(receiver)


def test_standard_variables_are_honoured(receiver: OtlpReceiver) -> None:
    run_instrumented(
        """
        import thread
        from thread import telemetry

        def wait_until(attribute):
            while not any(getattr(lock, attribute) for lock in telemetry.snapshot().locks):
                pass

        guard = thread.allocate_lock(name="shop.guard")
        with guard:
            thread.start_new_thread(guard.acquire, ())
            wait_until("waiters")
        wait_until("contentions")
        """,
        receiver,
        OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE="delta",
        OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION="base2_exponential_bucket_histogram",
        OTEL_EXPORTER_OTLP_METRICS_COMPRESSION="gzip",
        OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=test",
    )
    delta = 1
    counters = [metric for _, _, metric in receiver.metrics() if metric.name == "python.lock.acquisitions"]
    assert {metric.sum.aggregation_temporality for metric in counters} == {delta}
    waits = [metric for _, _, metric in receiver.metrics() if metric.name == "python.lock.wait.duration"]
    assert sum(point.count for metric in waits for point in metric.exponential_histogram.data_points) == 1
    assert attributes_of(receiver.metrics()[0][0])["deployment.environment.name"] == "test"


def test_a_disabled_sdk_sends_nothing(receiver: OtlpReceiver) -> None:
    run_instrumented("pass", receiver, OTEL_SDK_DISABLED="true")
    assert not receiver.attempts


def test_a_provider_named_by_the_environment_is_still_set_by_the_sdk(receiver: OtlpReceiver) -> None:
    run_instrumented(
        """
        from opentelemetry.metrics import get_meter

        get_meter("shop").create_counter("orders").add(3)
        """,
        receiver,
        OTEL_PYTHON_METER_PROVIDER="sdk_meter_provider",
    )
    assert "orders" in names_in(receiver, "shop")
    assert "python.thread.telemetry.instrumented" in names_in(receiver)


def test_a_program_that_sets_up_the_sdk_itself_uses_it_as_an_exporter(receiver: OtlpReceiver) -> None:
    program = """
        from opentelemetry.metrics import set_meter_provider
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
        from thread import telemetry
        from thread_exporters.otel_metrics import ThreadMetricExporter

        exporter = ThreadMetricExporter(endpoint=__import__("sys").argv[1] + "/v1/metrics")
        set_meter_provider(MeterProvider(metric_readers=[PeriodicExportingMetricReader(exporter)]))
    """
    assert output_of(program, receiver.endpoint) == []
    assert "python.thread.telemetry.instrumented" in names_in(receiver)


def test_the_exporter_hears_of_slow_waits_and_shows_their_spans(receiver: OtlpReceiver) -> None:
    program = """
        import sys
        from opentelemetry.metrics import set_meter_provider
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
        sys.path.insert(0, sys.argv[2])
        from handmade import HOT, histogram, lock, slow_wait
        from thread import telemetry
        from thread.telemetry import Snapshot, SpanContext
        from thread_exporters.otel_metrics import ThreadMetricExporter

        started = []
        telemetry.start = started.append
        exporter = ThreadMetricExporter(endpoint=sys.argv[1] + "/v1/metrics")
        started[0].export(Snapshot(0.0), [slow_wait(0.12, span=SpanContext(0xA1, 0xB2, 1))])
        telemetry.snapshot = lambda: Snapshot(0.0, locks=(lock(wait=histogram(0.12)),))
        set_meter_provider(MeterProvider(metric_readers=[PeriodicExportingMetricReader(exporter)]))
    """
    assert output_of(program, receiver.endpoint, str(Path(__file__).parents[2] / "support")) == []
    [waits] = [metric for _, _, metric in receiver.metrics() if metric.name == "python.lock.wait.duration"]
    [exemplar] = waits.histogram.data_points[0].exemplars
    assert (exemplar.trace_id.hex(), exemplar.span_id.hex()) == ("a1".zfill(32), "b2".zfill(16))


def test_what_the_sdk_collects_of_our_scope_makes_room_for_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[MetricsData] = []
    monkeypatch.setattr(OTLPMetricExporter, "export", lambda self, data, **options: sent.append(data))
    monkeypatch.setattr("thread.telemetry.start", lambda exporter: None)
    theirs, ours = (ScopeMetrics(InstrumentationScope(name), [], "") for name in ("shop", NAME))
    resource = Resource({"service.name": "shop"})
    ThreadMetricExporter().export(MetricsData([ResourceMetrics(resource, [ours, theirs], "")]))
    [[resource_metrics]] = [data.resource_metrics for data in sent]
    assert resource_metrics.resource is resource
    assert [scope.scope.name for scope in resource_metrics.scope_metrics] == ["shop", NAME]
    assert len(resource_metrics.scope_metrics[1].metrics) > 1


def test_metrics_of_the_application_are_sent_though_ours_cannot_be(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise ValueError("no snapshot")

    sent: list[MetricsData] = []
    monkeypatch.setattr(OTLPMetricExporter, "export", lambda self, data, **options: sent.append(data))
    monkeypatch.setattr("thread.telemetry.start", lambda exporter: None)
    monkeypatch.setattr("thread.telemetry.snapshot", fail)
    theirs = MetricsData([ResourceMetrics(Resource({}), [ScopeMetrics(InstrumentationScope("shop"), [], "")], "")])
    exporter = ThreadMetricExporter()
    for _ in range(2):
        exporter.export(theirs)
    assert sent == [theirs, theirs]
    assert len(caplog.records) == 1


def metrics_to(endpoint: str, timeout: float = 10) -> OtlpMetrics:
    return OtlpMetrics(
        OTLPMetricExporter(f"{endpoint}/v1/metrics", timeout=timeout), Resource({"service.name": "shop"})
    )


def test_a_snapshot_is_sent_in_the_calling_thread(receiver: OtlpReceiver) -> None:
    metrics = metrics_to(receiver.endpoint)
    before = set(threading.enumerate())
    assert metrics.export(snapshot_of_a_shop(), ()) is True
    ours = {live for live in threading.enumerate() if "process_request" not in live.name}
    assert ours <= before
    assert set(names_in(receiver)) == {metric.name for metric in METRICS}
    metrics.shutdown(1.0)


def test_without_arguments_it_goes_where_the_environment_says(
    receiver: OtlpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint)
    monkeypatch.setenv("OTEL_SERVICE_NAME", "shop")
    assert OtlpMetrics().export(snapshot_of_a_shop(), ())
    assert attributes_of(receiver.metrics()[0][0])["service.name"] == "shop"


@pytest.mark.parametrize("status", [400, 500])
def test_an_export_that_is_refused_says_so_and_the_next_one_can_succeed(status: int, receiver: OtlpReceiver) -> None:
    receiver.status = status
    metrics = metrics_to(receiver.endpoint, timeout=1)
    assert metrics.export(snapshot_of_a_shop(), ()) is False
    assert receiver.attempts
    receiver.status = 200
    assert metrics.export(snapshot_of_a_shop(), ()) is True


def test_nobody_at_the_endpoint_is_false_and_no_line_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    caplog.set_level(logging.DEBUG, "thread.telemetry")
    assert metrics_to(f"http://127.0.0.1:{port}", timeout=1).export(snapshot_of_a_shop(), ()) is False
    assert not [record for record in caplog.records if record.name.startswith("thread")]


def test_the_pages_of_prometheus_need_no_opentelemetry() -> None:
    program = """
        import sys
        import thread_exporters.prometheus, thread_exporters._otel.scope
        print([name for name in sys.modules if name.startswith("opentelemetry")])
    """
    assert output_of(program) == ["[]"]


def test_a_real_contention_arrives(core: ModuleType, receiver: OtlpReceiver, wait_until: WaitUntil) -> None:
    from thread import telemetry

    guard = thread.allocate_lock(name="test.guard")
    guard.acquire()
    done = threading.Event()

    def wait() -> None:
        with guard:
            done.set()

    thread.start_new_thread(wait, (), name="test.waiter")
    wait_until(lambda: any(lock.waiters for lock in telemetry.snapshot().locks))
    guard.release()
    assert done.wait(10)
    metrics = metrics_to(receiver.endpoint)
    assert metrics.export(telemetry.snapshot(), ())
    [waits] = [metric for _, _, metric in receiver.metrics() if metric.name == "python.lock.wait.duration"]
    [point] = waits.histogram.data_points
    assert attributes_of(point) == {"python.lock.name": "test.guard", "python.lock.type": "lock"}
    assert (point.count, point.sum > 0) == (1, True)
