"""The exporter `otlp`, with a real OTLP receiver."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from conftest import WaitUntil
from handmade import HOT, slow_wait
from opentelemetry.sdk.trace import TracerProvider
from otlp_receiver import OtlpReceiver, attributes_of
from programs import output_of, run
from rows import waited_for

from thread import telemetry as public
from thread_exporters._otel import scope
from thread_exporters.otlp import OtlpExporter


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch, core: ModuleType, wait_until: WaitUntil) -> Iterator[OtlpReceiver]:
    with OtlpReceiver() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "2")
        monkeypatch.setenv("OTEL_SERVICE_NAME", "shop")
        yield receiver
        public.stop()
        # A leftover worker would retry until its timeout.
        wait_until(lambda: core.untracked_count() == 0)


def spans_of(receiver: OtlpReceiver, prefix: str) -> list[Any]:
    return [span for _, _, span in receiver.spans() if span.name.startswith(prefix)]


def wait_for_a_lock(core: ModuleType, wait_until: WaitUntil, seconds: float = 0.02) -> tuple[float, float, Any, Any]:
    """Make a wait of at least this length. Returns its start and end, and the spans of the waiter and the owner."""
    tracer = TracerProvider().get_tracer("shop")
    guard = threading.Lock()
    held = threading.Event()
    owners: list[Any] = []

    def own() -> None:
        with tracer.start_as_current_span("owner") as span, guard:
            owners.append(span.get_span_context())
            held.set()
            wait_until(lambda: any(name.endswith(".guard") for name in waited_for(core)))
            time.sleep(seconds)

    owner = threading.Thread(target=own)
    owner.start()
    assert held.wait(10)
    with tracer.start_as_current_span("waiter") as span:
        before = time.time()
        with guard:
            after = time.time()
    owner.join()
    return before, after, span.get_span_context(), owners[0]


@pytest.fixture
def started(instrumented: ModuleType, telemetry: ModuleType, receiver: OtlpReceiver) -> Iterator[ModuleType]:
    telemetry.start("otlp", slow_wait=0.001, export_interval=0.02)
    yield instrumented
    telemetry.stop()
    assert telemetry.snapshot().coverage.faults == 0


def test_a_wait_arrives_with_its_parent_its_link_and_its_true_times(
    started: ModuleType, receiver: OtlpReceiver, wait_until: WaitUntil
) -> None:
    before, after, waiter, owner = wait_for_a_lock(started, wait_until)
    wait_until(lambda: [each for each in spans_of(receiver, "lock wait") if each.name.endswith(".guard")])
    [span] = [each for each in spans_of(receiver, "lock wait") if each.name.endswith(".guard")]
    assert int.from_bytes(span.trace_id) == waiter.trace_id
    assert int.from_bytes(span.parent_span_id) == waiter.span_id
    [link] = span.links
    assert (int.from_bytes(link.trace_id), int.from_bytes(link.span_id)) == (owner.trace_id, owner.span_id)
    assert span.start_time_unix_nano / 1e9 == pytest.approx(before, abs=0.001)
    assert span.end_time_unix_nano / 1e9 == pytest.approx(after, abs=0.001)


def test_all_signals_come_from_one_instance_of_the_service_in_the_scope_of_the_project(
    started: ModuleType, receiver: OtlpReceiver, wait_until: WaitUntil
) -> None:
    threading.Thread(target=int).start()
    wait_until(lambda: spans_of(receiver, "thread ") and receiver.metrics())
    resources = [attributes_of(each[0]) for each in (*receiver.spans(), *receiver.metrics())]
    assert {each["service.name"] for each in resources} == {"shop"}
    assert len({each["service.instance.id"] for each in resources}) == 1
    assert {(each[1].name, each[1].version) for each in (*receiver.spans(), *receiver.metrics())} == {
        (scope.NAME, scope.VERSION)
    }
    assert receiver.schema_urls() == {scope.NAME: scope.SCHEMA_URL}


def test_the_buckets_of_waits_lead_to_a_trace(
    started: ModuleType, receiver: OtlpReceiver, wait_until: WaitUntil
) -> None:
    _, _, waiter, _ = wait_for_a_lock(started, wait_until)

    def exemplars() -> list[Any]:
        return [
            exemplar
            for _, _, metric in receiver.metrics()
            if metric.name == "python.lock.wait.duration"
            for point in metric.histogram.data_points
            if attributes_of(point)["python.lock.name"].endswith(".guard")
            for exemplar in point.exemplars
        ]

    wait_until(exemplars)
    exemplar = exemplars()[0]
    assert (int.from_bytes(exemplar.trace_id), int.from_bytes(exemplar.span_id)) == (waiter.trace_id, waiter.span_id)
    assert 0.02 <= exemplar.as_double < 10


def test_an_exception_arrives_as_a_log_record_where_that_is_asked_for(
    instrumented: ModuleType,
    telemetry: ModuleType,
    receiver: OtlpReceiver,
    wait_until: WaitUntil,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN", "logs/dup")
    monkeypatch.setattr(threading, "excepthook", lambda args: None)
    telemetry.start("otlp", export_interval=0.02)
    threading.Thread(target=lambda: 1 / 0).start()
    wait_until(receiver.logs)
    [(_, _, record)] = receiver.logs()
    [span] = [span for span in spans_of(receiver, "thread ") if span.events]
    assert (record.trace_id, record.span_id) == (span.trace_id, span.span_id)
    assert attributes_of(record)["exception.type"] == "ZeroDivisionError"
    assert [event.name for event in span.events] == ["exception"]


@pytest.mark.parametrize(("signal", "arrives"), [("TRACES", "spans"), ("METRICS", "metrics")])
def test_a_signal_that_is_not_wanted_is_not_sent(
    instrumented: ModuleType,
    telemetry: ModuleType,
    receiver: OtlpReceiver,
    monkeypatch: pytest.MonkeyPatch,
    signal: str,
    arrives: str,
) -> None:
    monkeypatch.setenv(f"OTEL_{signal}_EXPORTER", "none")
    telemetry.start("otlp")
    worker = threading.Thread(target=int)
    worker.start()
    worker.join()
    telemetry.stop()
    assert {name: bool(getattr(receiver, name)()) for name in ("spans", "metrics")} == {
        "spans": True,
        "metrics": True,
        arrives: False,
    }


# ---- trouble at the other end ----


def slow_waits(count: int) -> list[public.SlowWait]:
    return [slow_wait(lock=f"{HOT}{number}") for number in range(count)]


def test_what_a_receiver_does_not_take_is_told_as_dropped(core: ModuleType, receiver: OtlpReceiver) -> None:
    exporter = OtlpExporter()
    receiver.status = 400
    with pytest.raises(public.ExportError, match="400 Bad Request") as raised:
        exporter.export(public.snapshot(), slow_waits(700))
    assert raised.value.dropped == 700
    receiver.status = 200
    assert exporter.export(public.snapshot(), slow_waits(700)) == 0
    exporter.shutdown(1)
    assert len(spans_of(receiver, "lock wait")) == 700


def test_a_path_that_is_no_utf_8_is_sent_escaped(
    core: ModuleType, receiver: OtlpReceiver, caplog: pytest.LogCaptureFixture
) -> None:
    exporter = OtlpExporter()
    place = public.Site("shop.caf\udce9.get", "/caf\udce9/shop.py", 3)
    assert exporter.export(public.snapshot(), [slow_wait(lock="caf\udce9", acquire_site=place)]) == 0
    exporter.shutdown(1)
    [span] = spans_of(receiver, "lock wait")
    assert span.name == r"lock wait caf\udce9"
    assert attributes_of(span)["code.file.path"] == r"/caf\udce9/shop.py"
    assert r'File "/caf\udce9/shop.py", line 3' in str(attributes_of(span)["code.stacktrace"])
    assert caplog.records == []


def test_nothing_listens_and_the_program_goes_on() -> None:
    program = """
        import threading, time
        from thread import telemetry
        telemetry.instrument()
        telemetry.start("otlp", export_interval=0.05, event_capacity=10)
        for _ in range(100):
            worker = threading.Thread(target=int)
            worker.start()
            worker.join()
        began = time.monotonic()
        telemetry.stop(1.0)
        print("stopped in time", time.monotonic() - began < 2.0)
        print("counted", telemetry.snapshot().dropped_events > 0)
    """
    finished = run(program, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.splitlines() == ["stopped in time True", "counted True"]


def test_a_receiver_that_does_not_answer_holds_nobody_up(
    instrumented: ModuleType, telemetry: ModuleType, receiver: OtlpReceiver, wait_until: WaitUntil
) -> None:
    receiver.delay = 60
    telemetry.start("otlp", slow_wait=0.0, export_interval=0.01, event_capacity=16)
    wait_until(lambda: receiver.attempts)
    guard = threading.Lock()

    def contend() -> None:
        for _ in range(2000):
            with guard:
                pass
            threading.Event().wait(0.00001)

    threads = [threading.Thread(target=contend) for _ in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(30)
        assert not each.is_alive()
    # Every slow wait is in the bounded queue, or counted as dropped.
    threading.Thread(target=int).start()
    began = time.monotonic()
    telemetry.stop(0.5)
    assert time.monotonic() - began < 5


def test_every_slow_wait_is_a_span_or_counted_as_dropped(
    instrumented: ModuleType, telemetry: ModuleType, receiver: OtlpReceiver
) -> None:
    telemetry.start(OtlpExporter(per_second=20), slow_wait=0.001, export_interval=0.05)
    guard = thread_lock("scripted")
    turns = threading.Barrier(2)
    slow = 0
    rounds = 10_000

    def own() -> None:
        for number in range(rounds):
            with guard:
                turns.wait(60)
                if number % 50 == 0:
                    until_waited_for(instrumented)
                    time.sleep(0.002)
            turns.wait(60)

    owner = threading.Thread(target=own)
    owner.start()
    for number in range(rounds):
        turns.wait(60)
        with guard:
            pass
        slow += number % 50 == 0
        turns.wait(60)
    owner.join()
    telemetry.stop(20)
    recorded = telemetry.snapshot()
    [stats] = [lock for lock in recorded.locks if lock.name == "scripted"]
    spans = spans_of(receiver, "lock wait scripted")
    others = len(spans_of(receiver, "lock wait")) - len(spans)
    assert stats.acquisitions == 2 * rounds
    assert len(spans) + recorded.dropped_events + others >= slow == 200
    # A busy machine may make other waits slow, too. They become spans or drops as well.
    assert len(spans) + recorded.dropped_events >= slow


def thread_lock(name: str) -> Any:
    import thread

    return thread.allocate_lock(name=name)


def until_waited_for(core: ModuleType) -> None:
    while "scripted" not in waited_for(core):
        time.sleep(0.0001)


# ---- forks ----


def test_a_child_sends_its_own_data_from_zero() -> None:
    with OtlpReceiver() as receiver:
        output_of(
            """
            import os, threading
            from thread import telemetry
            telemetry.instrument()
            telemetry.start("otlp", export_interval=0.02)
            for name in "parent", "parent":
                t = threading.Thread(target=int); t.start(); t.join()
            child = os.fork()
            if not child:
                def work(): pass
                t = threading.Thread(target=work); t.start(); t.join()
                telemetry.stop()
                os._exit(0)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
            telemetry.stop()
            """,
            OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint,
        )
        by_instance: dict[object, set[str]] = {}
        for resource, _, span in receiver.spans():
            by_instance.setdefault(attributes_of(resource)["service.instance.id"], set()).add(span.name)
        assert sorted(map(sorted, by_instance.values())) == [["thread __main__:work"], ["thread builtins:int"]]
        started: dict[object, int] = {}
        for resource, _, metric in receiver.metrics():
            if metric.name == "python.thread.started":
                count = sum(point.as_int for point in metric.sum.data_points)
                started[attributes_of(resource)["service.instance.id"]] = count
        assert sorted(started.values()) == [1, 2]


def test_a_fork_in_the_midst_of_an_export_leaves_the_child_able_to_send() -> None:
    with OtlpReceiver() as receiver:
        receiver.delay = 1.0
        lines = output_of(
            """
            import os, threading, time
            from thread import telemetry
            telemetry.instrument()
            telemetry.start("otlp", export_interval=0.01, export_timeout=20)
            t = threading.Thread(target=int); t.start(); t.join()
            time.sleep(0.3)  # the export is under way, since no answer comes sooner
            child = os.fork()
            if not child:
                def work(): pass
                t = threading.Thread(target=work); t.start(); t.join()
                telemetry.stop(20)
                os._exit(telemetry.snapshot().coverage.faults)
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
            telemetry.stop()
            """,
            OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint,
        )
        assert lines == ["0"]
        assert spans_of(receiver, "thread __main__:work")
