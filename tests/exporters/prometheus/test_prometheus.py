from __future__ import annotations

import math
import os
import signal
import socket
import struct
import subprocess
import sys
import textwrap
import threading
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import ModuleType

import pytest
from handmade import HOT, NOON, histogram, lock, slow_wait, snapshot_of_a_shop
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from prometheus_client.samples import Sample

import thread
from thread import telemetry
from thread.telemetry import Exporter, Site, Snapshot, SpanContext, WaitStats
from thread_exporters._page.server import MetricsServer
from thread_exporters._schema.metrics import METRICS
from thread_exporters.prometheus import PrometheusExporter, from_environment

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
PARSERS = {"text": ("", parse_text), "openmetrics": (OPENMETRICS, parse_openmetrics)}

Labels = dict[str, str]


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry(auto_describe=True)


@pytest.fixture
def exporter(registry: CollectorRegistry) -> Iterator[PrometheusExporter]:
    exporter = PrometheusExporter(registry, port=0)
    yield exporter
    exporter.shutdown(5.0)


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def show(monkeypatch: pytest.MonkeyPatch) -> Callable[[Snapshot], None]:
    """Make the exporter read a handmade snapshot."""
    return lambda snapshot: monkeypatch.setattr(telemetry, "snapshot", lambda: snapshot)


def get(url: str | None, accept: str = "") -> tuple[str, str]:
    assert url is not None
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": accept}), timeout=30) as response:
        return response.read().decode(), response.headers["Content-Type"]


def families(exporter: PrometheusExporter, form: str = "text") -> dict[str, Metric]:
    accept, parse = PARSERS[form]
    return {family.name: family for family in parse(get(exporter.url, accept)[0])}


def value(found: dict[str, Metric], name: str, **labels: str) -> float | None:
    for family in found.values():
        for sample in family.samples:
            if sample.name == name and labels.items() <= sample.labels.items():
                return sample.value
    return None


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


def test_serving_is_not_observed_and_not_listed(
    core: ModuleType, registry: CollectorRegistry, wait_until: Callable[[Callable[[], object]], None]
) -> None:
    listed = threading.enumerate()
    unobserved = telemetry.snapshot().coverage.unobserved_threads
    exporter = PrometheusExporter(registry, port=0)
    # An idle client keeps a thread of the server alive.
    address = (exporter.url or "").removeprefix("http://").removesuffix("/metrics").split(":")
    with socket.create_connection((address[0], int(address[1]))):
        assert not any(sample.value for sample in families(exporter)["python_thread_started"].samples)
        assert threading.enumerate() == listed
        assert {live.target for live in telemetry.snapshot().live_threads} == {"main"}
        wait_until(lambda: telemetry.snapshot().coverage.unobserved_threads == unobserved)
    exporter.shutdown(5.0)


def test_shutdown_leaves_the_registry_and_the_port(registry: CollectorRegistry) -> None:
    exporter = PrometheusExporter(registry, port=0)
    url = exporter.url
    get(url)
    exporter.shutdown(5.0)
    exporter.shutdown(5.0)
    assert exporter.url is None
    assert list(registry.collect()) == []
    with pytest.raises(OSError, match="refused"):
        get(url)
    PrometheusExporter(registry).shutdown(0.0)


def test_shutdown_does_not_wait_for_a_client_that_asks_nothing(registry: CollectorRegistry) -> None:
    exporter = PrometheusExporter(registry, port=0)
    host, port = (exporter.url or "").removeprefix("http://").removesuffix("/metrics").split(":")
    with socket.create_connection((host, int(port))) as idle:
        get(exporter.url)
        exporter.shutdown(60.0)
        idle.settimeout(30.0)
        assert idle.recv(1) == b""


def test_shutdown_takes_no_longer_than_it_may(registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    stuck, ended = threading.Event(), threading.Event()

    def hang(server: MetricsServer) -> None:
        stuck.set()
        ended.wait()

    monkeypatch.setattr(MetricsServer, "_serve_once", hang)
    exporter = PrometheusExporter(registry, port=0)
    assert stuck.wait(10)
    exporter.shutdown(0.01)
    ended.set()


def test_a_client_that_hangs_up_is_no_matter_for_stderr(
    exporter: PrometheusExporter, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    host, port = (exporter.url or "").removeprefix("http://").removesuffix("/metrics").split(":")
    with socket.create_connection((host, int(port))) as client:
        client.sendall(b"GET /metr")
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    get(exporter.url)
    exporter.export(snapshot_of_a_shop(), ())
    assert capfd.readouterr().err == ""
    assert not caplog.records


@pytest.mark.skipif(not hasattr(signal, "sigwait"), reason="no sigwait here")
def test_signals_are_left_to_the_program() -> None:
    program = """
        import os, signal, urllib.request
        from prometheus_client import CollectorRegistry
        from thread_exporters.prometheus import PrometheusExporter

        exporter = PrometheusExporter(CollectorRegistry(), port=0)
        urllib.request.urlopen(exporter.url, timeout=30).read()
        assert not signal.pthread_sigmask(signal.SIG_BLOCK, ())
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
        os.kill(os.getpid(), signal.SIGUSR1)
        print(signal.sigwait({signal.SIGUSR1}).name)
    """
    ran = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "SIGUSR1\n", "")


def test_the_page_answers_while_threads_outlive_the_main_thread() -> None:
    program = """
        import threading, urllib.request
        from thread_exporters.prometheus import PrometheusExporter

        exporter = PrometheusExporter(port=0)

        def work():
            threading.main_thread().join()
            print(urllib.request.urlopen(exporter.url, timeout=10).status)

        threading.Thread(target=work).start()
    """
    ran = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=60)
    assert (ran.stdout, ran.stderr) == ("200\n", "")


def test_a_registry_is_not_collected_from_twice(exporter: PrometheusExporter, registry: CollectorRegistry) -> None:
    with pytest.raises(ValueError, match="expected a registry without the metrics of thread.telemetry, got one that"):
        PrometheusExporter(registry)


def test_a_taken_port_is_one_clear_line(
    taken_port: int, registry: CollectorRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    exporter = PrometheusExporter(registry, port=taken_port)
    [record] = caplog.records
    assert record.name == "thread.telemetry"
    assert f"cannot serve metrics on 127.0.0.1:{taken_port}: Address already in use" in record.getMessage()
    assert "\n" not in record.getMessage()
    assert exporter.url is None
    assert list(registry.collect()), "the metrics are still there for whoever else serves the registry"
    exporter.shutdown(0.0)


def test_a_taken_port_lets_a_program_without_logging_run_on(taken_port: int) -> None:
    # A process logs nothing about a port if an ancestor has a page, as this one may still have.
    program = """
from thread import telemetry
from thread_exporters._page import lending_listener
from thread_exporters.prometheus import from_environment

lending_listener.ancestors = lambda process: iter(())
telemetry.start(from_environment())
print("ran")
"""
    ran = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "THREAD_TELEMETRY_PORT": str(taken_port)},
        capture_output=True,
        text=True,
    )
    assert (ran.returncode, ran.stdout) == (0, "ran\n")
    assert len(ran.stderr.splitlines()) == 1, ran.stderr
    assert str(taken_port) in ran.stderr


@pytest.mark.parametrize("host", ["no such host", "x" * 70, "a..b"])
def test_a_host_that_does_not_exist_is_one_clear_line(
    host: str, registry: CollectorRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    PrometheusExporter(registry, port=0, host=host).shutdown(0.0)
    [record] = caplog.records
    assert f"cannot serve metrics on {host}:0: " in record.getMessage()


@pytest.mark.parametrize("port", [-1, 65536, "9464"])
def test_a_port_that_is_none_is_refused(port: int, registry: CollectorRegistry) -> None:
    with pytest.raises(ValueError, match=f"port: expected a port number from 0 to 65535, got {port!r}"):
        PrometheusExporter(registry, port=port)
    assert list(registry.collect()) == []


@pytest.mark.parametrize("text", ["http", "65536", "-1", "94.64", "tcp://10.0.0.1:80"])
def test_a_wrong_port_in_the_environment_is_one_line_and_the_default_is_used(
    text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("THREAD_TELEMETRY_PORT", text)
    monkeypatch.setenv("THREAD_TELEMETRY_HOST", "a..b")
    from_environment().shutdown(0.0)
    expected = f"thread: THREAD_TELEMETRY_PORT: expected a port number from 0 to 65535, got '{text}'; "
    assert capsys.readouterr().err == f"{expected}using the default, 9464\n"
    assert caplog.records[0].args[:2] == ("a..b", 9464)  # type: ignore[index]


def test_the_environment_chooses_the_address(
    taken_port: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("THREAD_TELEMETRY_PORT", str(taken_port))
    from_environment().shutdown(0.0)
    monkeypatch.setenv("THREAD_TELEMETRY_HOST", "a..b")
    from_environment().shutdown(0.0)
    from_environment(port=1, host="c..d").shutdown(0.0)
    addresses = [record.args[:2] for record in caplog.records if record.args]
    assert addresses == [("127.0.0.1", taken_port), ("a..b", taken_port), ("c..d", 1)]


def test_ipv6_is_served(registry: CollectorRegistry) -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    exporter = PrometheusExporter(registry, port=0, host="::1")
    if exporter.url is None:
        pytest.skip("no IPv6 here")
    assert "python_thread_count" in get(exporter.url)[0]
    exporter.shutdown(5.0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_leaves_the_port_to_the_parent() -> None:
    program = """
        import os, socket, time, urllib.request
        from prometheus_client import CollectorRegistry, generate_latest
        from thread_exporters.prometheus import PrometheusExporter

        registry = CollectorRegistry()
        exporter = PrometheusExporter(registry, port=0)
        url = exporter.url
        port = int(url.rpartition(":")[2].partition("/")[0])
        ready, go = os.pipe()
        if os.fork():
            os.read(ready, 1)
            assert b"python_thread_count" in urllib.request.urlopen(url, timeout=30).read()
            os._exit(0)
        exporter.after_fork_in_child()
        assert exporter.url is None
        assert b"python_thread_count" in generate_latest(registry)
        exporter.shutdown(5.0)
        os.write(go, b".")
        # The parent ends abruptly. If the child had kept its copy of the socket, the port would never be free.
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_server(("127.0.0.1", port)).close()
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.001)
            else:
                break
        print("free")
    """
    command = [sys.executable, "-W", "ignore", "-c", textwrap.dedent(program)]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "free\n", "")
