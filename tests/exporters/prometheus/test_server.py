"""The server of the metrics page, with all kinds of clients."""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import ssl
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from handmade import snapshot_of_a_shop
from prometheus_client import CollectorRegistry

from thread_exporters._page import connection as page_connection
from thread_exporters._page.allowed_hosts import AllowedHosts
from thread_exporters._page.connection import Connection
from thread_exporters._page.server import MAX_CONNECTIONS
from thread_exporters.prometheus import PrometheusExporter, from_environment

WaitUntil = Callable[[Callable[[], object]], None]


@pytest.fixture
def exporter() -> Iterator[PrometheusExporter]:
    exporter = PrometheusExporter(CollectorRegistry(), port=0)
    yield exporter
    exporter.shutdown(5.0)


def address_of(exporter: PrometheusExporter) -> tuple[str, int]:
    host, _, port = (exporter.url or "").partition("://")[2].removesuffix("/metrics").rpartition(":")
    return host, int(port)


def connect(exporter: PrometheusExporter) -> socket.socket:
    client = socket.create_connection(address_of(exporter), timeout=30)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def all_of(client: socket.socket) -> bytes:
    received = b""
    while piece := client.recv(65536):
        received += piece
    return received


def ask(exporter: PrometheusExporter, request: bytes) -> bytes:
    with connect(exporter) as client:
        client.sendall(request)
        return all_of(client)


def status(exporter: PrometheusExporter, path: str = "/metrics", method: str = "GET", **headers: str) -> int:
    connection = http.client.HTTPConnection(*address_of(exporter), timeout=30)
    connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    try:
        return connection.getresponse().status
    finally:
        connection.close()


def test_clients_that_say_nothing_take_no_threads_and_a_bounded_number_of_descriptors(
    exporter: PrometheusExporter, wait_until: WaitUntil, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not os.path.isdir("/proc/self/task"):
        pytest.skip("no /proc here")
    monkeypatch.setattr(page_connection, "HESITANT_AFTER", 60.0)
    threads = len(os.listdir("/proc/self/task"))
    descriptors = len(os.listdir("/proc/self/fd"))
    with ExitStack() as stack:
        silent = [stack.enter_context(connect(exporter)) for _ in range(60)]
        # Refused clients get an answer, so a client that keeps reading has been accepted.
        assert all_of(silent[-1]).startswith(b"HTTP/1.0 503 Service Unavailable\r\n")
        assert len(os.listdir("/proc/self/task")) <= threads
        assert len(os.listdir("/proc/self/fd")) - descriptors - len(silent) <= 2 * MAX_CONNECTIONS + 1
        monkeypatch.setattr(page_connection, "HESITANT_AFTER", 0.0)
        wait_until(lambda: status(exporter) == 200)


def test_a_client_beyond_ten_is_told_to_come_back(
    exporter: PrometheusExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_connection, "HESITANT_AFTER", 60.0)
    with ExitStack() as stack:
        for _ in range(MAX_CONNECTIONS):
            stack.enter_context(connect(exporter))
        answer = ask(exporter, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert answer.startswith(b"HTTP/1.0 503 Service Unavailable\r\n")
    assert b"\r\nRetry-After: 1\r\n" in answer


def test_a_client_that_says_nothing_makes_room_for_one_that_asks(
    exporter: PrometheusExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_connection, "HESITANT_AFTER", 0.0)
    with ExitStack() as stack:
        silent = [stack.enter_context(connect(exporter)) for _ in range(MAX_CONNECTIONS)]
        assert status(exporter) == 200
        assert silent[0].recv(1) == b""


def test_a_slow_client_holds_up_nobody(exporter: PrometheusExporter) -> None:
    with connect(exporter) as slow:
        for letter in b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n":
            assert status(exporter, "/-/healthy") == 200
            slow.sendall(bytes([letter]))
        assert all_of(slow).startswith(b"HTTP/1.0 200 OK\r\n")


def test_the_whole_request_has_a_deadline_and_not_each_byte(
    exporter: PrometheusExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_connection, "REQUEST_SECONDS", 0.3)
    with connect(exporter) as slow, pytest.raises(OSError):
        for _ in range(3000):
            slow.sendall(b"G")
            threading.Event().wait(0.01)


def test_a_client_that_does_not_read_is_left(
    exporter: PrometheusExporter, monkeypatch: pytest.MonkeyPatch, wait_until: WaitUntil
) -> None:
    monkeypatch.setattr(page_connection, "ANSWER_SECONDS", 0.2)
    clients: list[Connection] = []
    answer_with = Connection.answer_with

    def answer_with_much(client: Connection, answer: Callable[[bytes], bytes]) -> None:
        clients.append(client)
        answer_with(client, lambda request: b"x" * 50_000_000)

    monkeypatch.setattr(Connection, "answer_with", answer_with_much)
    with connect(exporter) as deaf:
        deaf.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        wait_until(lambda: clients and not clients[0].wants)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/metrics", 200),
        ("/metrics?name[]=python_thread_count", 200),
        ("/", 200),
        ("/-/healthy", 200),
        ("/favicon.ico", 404),
        ("/metrics/..", 404),
        ("/no/such", 404),
    ],
)
def test_the_page_is_at_its_path_only(path: str, expected: int, exporter: PrometheusExporter) -> None:
    assert status(exporter, path) == expected


@pytest.mark.parametrize(
    ("request_line", "expected"),
    [
        (b"GET /metrics HTTP/1.1", b"400"),
        (b"GET /metrics HTTP/1.1\r\nHost: a\r\nHost: b", b"400"),
        (b"GET /metrics HTTP/1.0", b"200"),
        (b"GET http://localhost/metrics HTTP/1.1\r\nHost: localhost", b"200"),
        (b"GET http://evil.example/metrics HTTP/1.1\r\nHost: localhost", b"421"),
        (b"GET http://[/metrics HTTP/1.1\r\nHost: localhost", b"400"),
        (b"GET /metrics HTTP/9.9", b"505"),
        (b"GET /metrics HTTP/x.y", b"400"),
        (b"\x16\x03\x01\x00\xee garbage", b"400"),
        (b"BREW /metrics HTTP/1.1\r\nHost: localhost", b"501"),
        (b"POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5", b"405"),
        (b"OPTIONS /metrics HTTP/1.1\r\nHost: localhost", b"204"),
        (b"POST / HTTP/1.1\r\nHost: localhost", b"405"),
        (b"DELETE /-/healthy HTTP/1.1\r\nHost: localhost", b"405"),
        (b"POST /no/such HTTP/1.1\r\nHost: localhost", b"404"),
        (b"GET /metrics HTTP/1.0\r\n" + b"X: y\r\n" * 200, b"431"),
        (b"GET /" + b"x" * 40_000 + b" HTTP/1.0", b"431"),
    ],
    ids=lambda value: value[:45].decode("latin-1"),
)
def test_a_strange_request_gets_a_status_of_its_own_and_nobody_is_told(
    request_line: bytes,
    expected: bytes,
    exporter: PrometheusExporter,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert ask(exporter, request_line + b"\r\n\r\n").partition(b" ")[2][:3] == expected
    exporter.export(snapshot_of_a_shop(), ())
    assert capfd.readouterr().err == "" and not caplog.records


def test_head_has_the_headers_of_get_and_no_body(exporter: PrometheusExporter) -> None:
    answer = ask(exporter, b"HEAD /metrics HTTP/1.0\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert body == b"" and b"\r\nContent-Length: 0\r\n" not in head and head.count(b"Content-Length") == 1


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "text/plain; version=0.0.4"),
        ("*/*", "text/plain; version=0.0.4"),
        ("application/openmetrics-text; version=latest", "text/plain; version=0.0.4"),
        ("application/openmetrics-text; version=1.x", "text/plain; version=0.0.4"),
        ("application/openmetrics-text; version=", "text/plain; version=0.0.4"),
        ("application/openmetrics-text", "application/openmetrics-text; version=1.0.0"),
        ('application/openmetrics-text; version="1.0.0"', "application/openmetrics-text; version=1.0.0"),
        ("Application/OpenMetrics-Text;Version=1.0.0", "application/openmetrics-text; version=1.0.0"),
        ("application/openmetrics-text;q=0, */*", "text/plain; version=0.0.4"),
        ("text/plain;q=0.1, application/openmetrics-text;q=0.9", "application/openmetrics-text; version=1.0.0"),
        ("text/plain;q=0.9, application/openmetrics-text;q=0.1", "text/plain; version=0.0.4"),
        ("text/plain;q=0, */*;q=0.1", "application/openmetrics-text; version=1.0.0"),
        ("application/*", "application/openmetrics-text; version=1.0.0"),
        ("text/html", "text/plain; version=0.0.4"),
        ("text/plain; version=abc", "text/plain; version=0.0.4"),
        ("*/*;q=x", "text/plain; version=0.0.4"),
        (";;,=;", "text/plain; version=0.0.4"),
        ('text/plain;a="', "text/plain; version=0.0.4"),
        ("a" * 20_000, "text/plain; version=0.0.4"),
        *[
            (f"application/openmetrics-text;version=1.0.0;escaping={scheme}", "application/openmetrics-text; version=1")
            for scheme in ("allow-utf-8", "underscores", "dots", "values", "nonsense")
        ],
        *[
            (f"text/plain;version=1.0.0;escaping={scheme}", "text/plain; version=1.0.0")
            for scheme in ("allow-utf-8", "underscores", "dots", "values", "nonsense")
        ],
    ],
)
def test_the_format_is_the_one_that_is_wanted_most(
    accept: str, content_type: str, exporter: PrometheusExporter, capfd: pytest.CaptureFixture[str]
) -> None:
    with urllib.request.urlopen(urllib.request.Request(exporter.url or "", headers={"Accept": accept})) as answer:
        assert answer.headers["Content-Type"].startswith(content_type)
        assert answer.headers["Vary"] == "Accept, Accept-Encoding"
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        ("gzip", "gzip"),
        ("GZIP;q=0.1", "gzip"),
        ("x-gzip", "gzip"),
        ("deflate, *", "gzip"),
        ("gzip;q=0", None),
        ("gzip; q=0.000, *", None),
        ("*;q=0", None),
        ("gzip;q=abc", None),
        ("identity", None),
        ("", None),
    ],
)
def test_the_page_is_compressed_only_for_who_wants_that(
    accepted: str, expected: str | None, exporter: PrometheusExporter
) -> None:
    request = urllib.request.Request(exporter.url or "", headers={"Accept-Encoding": accepted})
    with urllib.request.urlopen(request) as answer:
        assert answer.headers.get("Content-Encoding") == expected


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1:9464", 200),
        ("localhost", 200),
        ("LOCALHOST.:80", 200),
        ("app.localhost:9464", 200),
        ("[::1]:9464", 200),
        ("10.1.2.3", 200),
        (socket.gethostname(), 200),
        ("evil.example", 421),
        ("evil.example:9464", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost@evil.example", 421),
        ("", 421),
    ],
)
def test_on_a_loopback_address_only_names_of_this_machine_may_be_asked_for(
    host: str, expected: int, exporter: PrometheusExporter
) -> None:
    assert status(exporter, Host=host) == expected


def test_names_can_be_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    allowed = AllowedHosts(["shop", "*.example.org"], "127.0.0.1")
    names = ("shop", "shop:9464", "a.b.example.org", "example.org", "10.0.0.1", "other")
    assert [allowed.allow(name, "0.0.0.0") for name in names] == [True, True, True, False, True, False]
    assert AllowedHosts(["*"], "x").allow("any.name", "127.0.0.1")
    unlimited = AllowedHosts(None, "x")
    assert unlimited.allow("any.name", "0.0.0.0") and not unlimited.allow("any.name", "127.0.0.1")
    monkeypatch.setenv("THREAD_TELEMETRY_ALLOWED_HOSTS", "evil.example, shop")
    exporter = from_environment(port=0)
    assert [status(exporter, Host=name) for name in ("evil.example", "shop", "other")] == [200, 200, 421]
    exporter.shutdown(5.0)


def test_a_page_that_fails_says_so_once(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    class Broken:
        def collect(self) -> Any:
            raise RuntimeError("no orders today")

    registry = CollectorRegistry()
    exporter = PrometheusExporter(registry, port=0)
    registry._collector_to_names[Broken()] = []  # type: ignore[index]
    assert [status(exporter) for _ in range(3)] == [500, 500, 500]
    assert status(exporter, "/-/healthy") == 200
    for _ in range(2):
        exporter.export(snapshot_of_a_shop(), ())
    [record] = caplog.records
    assert record.exc_info and "no orders today" in str(record.exc_info[1])
    assert capfd.readouterr().err == ""
    exporter.shutdown(5.0)


def test_a_port_that_becomes_free_is_taken_at_the_next_export(caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        exporter = PrometheusExporter(CollectorRegistry(), port=taken.getsockname()[1])
        exporter.export(snapshot_of_a_shop(), ())
        assert exporter.url is None
    exporter.export(snapshot_of_a_shop(), ())
    assert status(exporter) == 200
    refused, served = (record.getMessage() for record in caplog.records)
    assert "cannot serve metrics on" in refused and served == f"serving metrics again at {exporter.url}"
    exporter.shutdown(5.0)


def test_a_page_whose_descriptors_were_closed_is_back_after_the_next_export(
    tmp_path: Path, wait_until: WaitUntil
) -> None:
    exporter = PrometheusExporter(CollectorRegistry(), port=0)
    _, port = address_of(exporter)
    assert exporter._page is not None
    exporter._page._port = port
    server = exporter._page._server
    assert server is not None
    mine = []
    for each in (server._listener.listening, server._wakeup_receiver, server._wakeup_sender):
        number = each.socket.fileno()
        with open(tmp_path / str(number), "w+") as file:
            os.dup2(file.fileno(), number)
        mine.append(number)
    for number in mine:
        os.write(number, b"of the program")
    wait_until(lambda: exporter.export(snapshot_of_a_shop(), ()) or exporter.url)
    assert status(exporter) == 200
    exporter.shutdown(5.0)
    for number in mine:
        assert os.pread(number, 100, 0) == b"of the program"
        os.close(number)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here")
    for name in ("server", "client"):
        command = f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN={name}"
        files = ["-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem"]
        alternative = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
        subprocess.run([*command.split(), *files, *alternative], check=True, capture_output=True)
    return folder


def page_by_https(exporter: PrometheusExporter, context: ssl.SSLContext) -> str:
    with urllib.request.urlopen(exporter.url or "", timeout=30, context=context) as answer:
        page: str = answer.read().decode()
        return page


def test_the_page_is_served_by_https(certificates: Path, capfd: pytest.CaptureFixture[str]) -> None:
    exporter = PrometheusExporter(
        CollectorRegistry(),
        port=0,
        certfile=str(certificates / "server.pem"),
        keyfile=str(certificates / "server.key"),
        tls_min_version=ssl.TLSVersion.TLSv1_3,
    )
    assert (exporter.url or "").startswith("https://")
    context = ssl.create_default_context(cafile=certificates / "server.pem")
    with connect(exporter), connect(exporter) as plain:
        plain.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        assert "python_thread_count" in page_by_https(exporter, context)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(urllib.error.URLError):
        page_by_https(exporter, context)
    assert capfd.readouterr().err == ""
    exporter.shutdown(5.0)


def test_clients_have_to_show_a_certificate_where_that_is_required(
    certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in {
        "CERTFILE": certificates / "server.pem",
        "KEYFILE": certificates / "server.key",
        "CLIENT_CAFILE": certificates / "client.pem",
        "CLIENT_AUTH_REQUIRED": "1",
    }.items():
        monkeypatch.setenv(f"THREAD_TELEMETRY_{variable}", str(value))
    exporter = from_environment(port=0)
    context = ssl.create_default_context(cafile=certificates / "server.pem")
    with pytest.raises((urllib.error.URLError, ssl.SSLError, ConnectionError)):
        page_by_https(exporter, context)
    context.load_cert_chain(certificates / "client.pem", certificates / "client.key")
    assert "python_thread_count" in page_by_https(exporter, context)
    exporter.shutdown(5.0)


def test_a_certificate_that_cannot_be_read_is_one_clear_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    missing = str(tmp_path / "missing.pem")
    PrometheusExporter(CollectorRegistry(), port=0, certfile=missing, keyfile=missing).shutdown(1.0)
    [record] = caplog.records
    assert missing in record.getMessage() and "No such file" in record.getMessage()
    with pytest.raises(ValueError, match="expected both certfile and keyfile, got 'a.pem' and None"):
        PrometheusExporter(CollectorRegistry(), port=0, certfile="a.pem")
