"""A program whose receiver is dead, slow or refusing ends within `export_timeout`, with one line in the log."""

from __future__ import annotations

import logging
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import ModuleType

import pytest
from conftest import WaitUntil
from handmade import slow_wait
from otlp_receiver import OtlpReceiver
from programs import run

from thread import telemetry as public
from thread_exporters.otlp import OtlpExporter

LIMIT = 0.5

PROGRAM = f"""
    import atexit, sys, time
    atexit.register(lambda: print("left", time.monotonic() - began))
    from thread import telemetry
    import threading
    telemetry.instrument()
    telemetry.start("otlp", export_timeout={LIMIT}, export_interval=float(sys.argv[1]))
    for _ in range(50):
        worker = threading.Thread(target=int)
        worker.start()
        worker.join()
    time.sleep(float(sys.argv[2]))
    began = time.monotonic()
"""
"""Prints how long the end took: the handler that was registered first runs last."""


@contextmanager
def refused() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    yield f"http://127.0.0.1:{port}"


@contextmanager
def silent() -> Iterator[str]:
    """A receiver that accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def black_hole() -> Iterator[str]:
    """A receiver that does not even accept connections, because its backlog is full."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(address)
            fillers.append(filler)
        yield f"http://127.0.0.1:{address[1]}"
        for filler in fillers:
            filler.close()


@contextmanager
def answering(status: int, **headers: str) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


TROUBLES = {
    "refused": refused,
    "silent": silent,
    "black hole": black_hole,
    "500": lambda: answering(500),
    "503": lambda: answering(503),
    "503, later": lambda: answering(503, Retry_After="3"),
    "429, at a date": lambda: answering(429, Retry_After="Fri, 31 Dec 2100 23:59:59 GMT"),
    "404": lambda: answering(404),
}


def some_at_once(*usual: str) -> list[object]:
    """Parametrize over all stand-ins, and mark all but the usual ones as slow."""
    return [name if name in usual else pytest.param(name, marks=pytest.mark.slow) for name in TROUBLES]


@pytest.mark.parametrize("trouble", some_at_once("refused", "silent", "503"))
def test_a_program_that_ends_at_once_does_so_in_time_and_says_one_line(trouble: str) -> None:
    check_the_end(trouble, interval=60, worked=0)


@pytest.mark.parametrize("trouble", some_at_once("refused", "silent"))
def test_a_program_that_ends_during_an_export_does_so_in_time_and_says_one_line(trouble: str) -> None:
    check_the_end(trouble, interval=0.05, worked=0.2)


def check_the_end(trouble: str, interval: float, worked: float) -> None:
    with TROUBLES[trouble]() as endpoint:
        done = run(PROGRAM, str(interval), str(worked), OTEL_EXPORTER_OTLP_ENDPOINT=endpoint)
    assert done.returncode == 0, done.stderr
    [line] = done.stderr.splitlines()
    assert line.startswith("the exporter otlp"), line
    assert "logged" in line or "in time" in line
    took = float(done.stdout.split()[1])
    # A busy machine is late, but not as late as the SDK's timeout, which is ten times as long for each signal.
    assert took < LIMIT + 3


def test_where_nobody_listens_the_end_takes_no_pause(core: ModuleType) -> None:
    with refused() as endpoint, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        exporter = OtlpExporter()
        began = time.monotonic()
        exporter.finish_by(began + 600)
        with pytest.raises(public.ExportError, match="refused"):
            exporter.export(public.snapshot(), [slow_wait()])
        exporter.shutdown(600)
        assert time.monotonic() - began < 60


def test_a_receiver_that_is_gone_for_one_signal_does_not_keep_the_others_from_theirs(
    core: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    with silent() as nobody, OtlpReceiver() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"{nobody}/v1/traces")
        exporter = OtlpExporter()
        exporter.finish_by(time.monotonic() + 1)
        with pytest.raises(public.ExportError, match=f"cannot send traces to {nobody}"):
            exporter.export(public.snapshot(), [slow_wait()])
        assert {metric.name for _, _, metric in receiver.metrics()} >= {"python.thread.telemetry.instrumented"}
        exporter.shutdown(0)


def test_what_cannot_be_sent_is_told_before_the_exporter_counts_as_hung(
    core: ModuleType, telemetry: ModuleType, wait_until: WaitUntil, caplog: pytest.LogCaptureFixture
) -> None:
    with silent() as endpoint, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        telemetry.start("otlp", export_timeout=0.5, export_interval=0.01)
        wait_until(lambda: telemetry.snapshot().coverage.faults > 2)
        telemetry.stop()
        wait_until(lambda: core.untracked_count() == 0)
    [record] = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert re.match(r"the exporter otlp: cannot send metrics to http\S+: timed out", record.getMessage())
    assert record.exc_info is None


def test_a_short_outage_is_bridged_by_another_try(
    core: ModuleType, monkeypatch: pytest.MonkeyPatch, wait_until: WaitUntil, caplog: pytest.LogCaptureFixture
) -> None:
    with OtlpReceiver() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint)
        receiver.status = 503

        def recover() -> None:
            wait_until(lambda: receiver.attempts)
            receiver.status = 200

        recovery = threading.Thread(target=recover)
        recovery.start()
        exporter = OtlpExporter()
        assert exporter.export(public.snapshot(), [slow_wait()]) == 0
        exporter.shutdown(5)
        recovery.join()
        assert len(receiver.spans()) == 1
    assert caplog.records == []


def test_the_lines_of_the_programs_own_exporters_stay(
    core: ModuleType, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    with refused() as endpoint:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        exporter = OtlpExporter()
        exporter.finish_by(time.monotonic() + 60)
        with pytest.raises(public.ExportError):
            exporter.export(public.snapshot(), [slow_wait()])
        exporter.shutdown(0)
        assert caplog.records == []
        OTLPSpanExporter(timeout=0.2).export([])
        assert any("opentelemetry" in record.name for record in caplog.records)
