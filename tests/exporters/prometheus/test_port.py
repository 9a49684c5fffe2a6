"""The port of the metrics page: its address, its end, and programs that fork."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest
from handmade import snapshot_of_a_shop
from pages import families, get
from prometheus_client import CollectorRegistry

from thread import telemetry
from thread_exporters._page.server import MetricsServer
from thread_exporters.prometheus import PrometheusExporter, from_environment


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


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
