from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable, Iterator
from typing import Any
from wsgiref.validate import validator

import pytest
from handmade import HOT, snapshot_of_a_shop
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from thread import telemetry
from thread_exporters._schema.metrics import METRICS
from thread_exporters.prometheus import PrometheusExporter, make_asgi_app, make_wsgi_app
from thread_exporters.prometheus._format.collector import collector_of

Answer = tuple[str, dict[str, str], bytes]
Ask = Callable[..., Answer]


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[CollectorRegistry]:
    """Make a registry with a metric of the application and those of thread.telemetry."""
    monkeypatch.setattr(telemetry, "snapshot", snapshot_of_a_shop)
    registry = CollectorRegistry(auto_describe=True)
    Counter("orders", "Orders taken.", registry=registry).inc(3)
    exporter = PrometheusExporter(registry)
    yield registry
    exporter.shutdown(1.0)


def ask_wsgi(registry: CollectorRegistry, method: str = "GET", query: str = "", **headers: str) -> Answer:
    environ = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": "/metrics",
        "QUERY_STRING": query,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": _Nothing(),
        "wsgi.errors": _Nothing(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        **{f"HTTP_{name.upper()}": value for name, value in headers.items()},
    }
    answered: list[Any] = []
    body = validator(make_wsgi_app(registry))(environ, lambda *status: answered.extend(status) or (lambda data: None))
    text = b"".join(body)
    body.close()
    return answered[0], dict(answered[1]), text


class _Nothing:
    def read(self, size: int = -1) -> bytes:
        return b""

    def readline(self, size: int = -1) -> bytes:
        return b""

    def readlines(self, hint: int = -1) -> list[bytes]:
        return []

    def __iter__(self) -> Iterator[bytes]:
        return iter(())

    def write(self, text: str) -> None:
        pass

    def writelines(self, lines: list[str]) -> None:
        pass

    def flush(self) -> None:
        pass


def ask_asgi(registry: CollectorRegistry, method: str = "GET", query: str = "", **headers: str) -> Answer:
    scope = {
        "type": "http",
        "method": method,
        "query_string": query.encode(),
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
    }
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    asyncio.run(make_asgi_app(registry)(scope, receive, send))
    start, body = sent
    named = {name.decode().title(): value.decode() for name, value in start["headers"]}
    return f"{start['status']} OK", named, body["body"]


@pytest.fixture(params=[ask_wsgi, ask_asgi], ids=["wsgi", "asgi"])
def ask(request: pytest.FixtureRequest) -> Ask:
    asked: Ask = request.param
    return asked


def test_the_page_has_the_metrics_of_the_application_and_ours(ask: Ask, registry: CollectorRegistry) -> None:
    status, headers, page = ask(registry)
    assert (status, headers["Content-Type"].split(";")[0]) == ("200 OK", "text/plain")
    assert b"\norders_total 3.0\n" in page
    assert f'python_lock_acquisitions_total{{python_lock_name="{HOT}",python_lock_type="lock"}} 1000\n'.encode() in page
    assert headers["Content-Length"] == str(len(page))


def test_openmetrics_ends_once(ask: Ask, registry: CollectorRegistry) -> None:
    _, headers, page = ask(registry, accept="application/openmetrics-text; version=1.0.0,text/plain;q=0.5")
    assert headers["Content-Type"].startswith("application/openmetrics-text")
    assert page.count(b"# EOF\n") == 1 and page.endswith(b"# EOF\n")
    assert {"orders", "python_lock_wait_duration_seconds"} <= {each.name for each in parse_openmetrics(page.decode())}


def test_only_the_metrics_that_are_asked_for(ask: Ask, registry: CollectorRegistry) -> None:
    _, _, page = ask(registry, query="name[]=python_thread_count&name[]=orders_total")
    names = {line.split("{")[0].split()[0] for line in page.decode().splitlines() if not line.startswith("#")}
    assert names == {"python_thread_count", "orders_total"}


def test_the_page_is_compressed_for_who_can_read_that(ask: Ask, registry: CollectorRegistry) -> None:
    _, headers, page = ask(registry, accept_encoding="gzip")
    assert headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(page) == ask(registry)[2]


def test_head_has_no_body(ask: Ask, registry: CollectorRegistry) -> None:
    _, headers, page = ask(registry, method="HEAD")
    assert page == b"" and int(headers["Content-Length"]) > 1000


def test_nothing_can_be_sent_to_it(ask: Ask, registry: CollectorRegistry) -> None:
    status, headers, page = ask(registry, method="POST")
    assert status.startswith("405") and headers["Allow"] == "GET, HEAD, OPTIONS" and b"got POST" in page
    assert ask(registry, method="OPTIONS")[1]["Allow"] == "GET, HEAD, OPTIONS"


def test_a_registry_without_our_metrics_has_its_own_page(ask: Ask) -> None:
    registry = CollectorRegistry()
    Counter("orders", "Orders taken.", registry=registry)
    assert ask(registry)[2].startswith(b"# HELP orders_total")


def test_only_the_thread_that_writes_a_page_collects_without_ours(registry: CollectorRegistry) -> None:
    collector = collector_of(registry)
    assert collector is not None
    with collector.left_out():
        assert [family.name for family in registry.collect()] == ["orders"]
        assert len(asyncio.run(asyncio.to_thread(lambda: list(registry.collect())))) == 1 + len(METRICS)
    assert len(list(registry.collect())) == 1 + len(METRICS)


def test_a_web_socket_is_refused(registry: CollectorRegistry) -> None:
    with pytest.raises(ValueError, match="'websocket'"):
        asyncio.run(make_asgi_app(registry)({"type": "websocket"}, None, None))  # type: ignore[arg-type]
