"""The example shop traces its requests and shows one as a tree, without a tracing backend."""

from __future__ import annotations

import gzip
import http.client
import io
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

import pytest
from example_programs import EXAMPLES, Shop, free_port, load_example, running_shop

pytest.importorskip("waitress")
pytest.importorskip("rich")
pytest.importorskip("opentelemetry.instrumentation.wsgi")
pytest.importorskip("opentelemetry.exporter.otlp.proto.http")

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import Link, Span, SpanKind, set_span_in_context
from otlp_receiver import OtlpReceiver, attributes_of

NOON = 1_700_000_000 * 10**9
PROMPTLY = {"OTEL_BSP_SCHEDULE_DELAY": "50"}


@pytest.fixture(scope="module")
def trace_receiver() -> ModuleType:
    return load_example("trace_receiver")


@pytest.fixture(scope="module")
def request_tree(trace_receiver: ModuleType) -> ModuleType:
    return load_example("request_tree")


@pytest.fixture
def receiver(trace_receiver: ModuleType) -> Iterator[Any]:
    with trace_receiver.TraceReceiver() as receiver:
        yield receiver


class Recording:
    """A source of spans like those of the shop and the exporter `otlp`, with times in milliseconds."""

    def __init__(self, receiver: Any) -> None:
        exporter = OTLPSpanExporter(f"{receiver.endpoint}/v1/traces", compression=Compression.Gzip)
        self._provider = TracerProvider(shutdown_on_exit=False)
        self._provider.add_span_processor(SimpleSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("test")

    def span(
        self,
        name: str,
        start: float,
        end: float,
        parent: Span | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        links: tuple[Link, ...] = (),
        **attributes: Any,
    ) -> Span:
        context = Context() if parent is None else set_span_in_context(parent, Context())
        span = self._tracer.start_span(name, context, kind, attributes, links, NOON + round(start * 1e6))
        span.end(NOON + round(end * 1e6))
        return span

    def request(self, name: str, start: float, end: float) -> Span:
        return self.span(name, start, end, kind=SpanKind.SERVER, **{"http.status_code": 200})

    def wait(self, start: float, end: float, parent: Span, owner: Span, **changed: Any) -> Span:
        attributes = {
            "python.lock.name": "shop.cache:Cache._guard",
            "python.lock.type": "lock",
            "code.function.name": "shop.cache.Cache.get",
            "code.file.path": str(EXAMPLES / "shop" / "cache.py"),
            "code.line.number": 24,
            "thread.id": 1,
            "code.stacktrace": "",
            "python.lock.owner.function.name": "shop.storage.Connection.query",
            "python.lock.owner.file.path": str(EXAMPLES / "shop" / "storage.py"),
            "python.lock.owner.line.number": 58,
            "python.lock.owner.thread.id": 2,
            "python.lock.owner.stacktrace": "",
            "python.lock.waiters": 3,
            "python.lock.wait.outcome": "acquired",
            "python.lock.wait.lock.duration": (end - start) / 1e3,
            "python.lock.wait.gil.duration": 0.0,
        } | changed
        link = Link(owner.get_span_context(), {"python.lock.link": "owner"})
        return self.span("lock wait shop.cache:Cache._guard", start, end, parent, links=(link,), **attributes)

    def refresh(self, start: float, parent: Span | None = None) -> Span:
        """Send a refresh of the catalogue that takes 200 ms. Returns its third statement."""
        refresh = self.span("refresh catalogue", start, start + 200, parent)
        self.span("SELECT products", start, start + 20, refresh)
        statements = [self.span("SELECT prices", start + n, start + n + 20, refresh) for n in range(20, 200, 20)]
        return statements[2]


@pytest.fixture
def recording(receiver: Any) -> Recording:
    return Recording(receiver)


def printed(request_tree: ModuleType, receiver: Any, width: int = 120) -> str:
    text: str = request_tree.slow_request(receiver.spans(), io.StringIO(), width)
    return re.sub(r"(trace) [0-9a-f]{8}\b", r"\1 12345678", text)


# The shop


def test_requests_are_named_by_what_they_ask_for_and_not_by_who_asks(receiver: Any) -> None:
    with running_shop(OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint, **PROMPTLY) as shop:
        for sku in ("CHN-11", "CHN-12", "BIKE"):
            shop.ask("GET", f"/products/{sku}")
        shop.ask("GET", "/baskets/anna")
        shop.ask("GET", "/products/CHN-11/reviews")
        shop.ask("BREW", "/health")
        assert shop.end(signal.SIGTERM) == (0, "")
    requests = [span.name for span in receiver.spans() if span.is_request]
    # The first span is the fixture's, from waiting for the shop to answer. A span may end after the next has begun,
    # because the customer has the answer by then.
    named = ["GET /health", *["GET /products/{sku}"] * 3, "GET /baskets/{customer}", "GET", "HTTP /health"]
    assert sorted(requests) == sorted(named)


def test_the_trace_of_a_changed_price_shows_the_refresh_and_its_statements(receiver: Any) -> None:
    with running_shop(OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint) as shop:
        assert shop.ask("POST", "/prices", {"sku": "CHN-11", "cents": 2790})[0] == 200
        shop.end(signal.SIGTERM)
    spans = receiver.spans()
    [request] = [span for span in spans if span.name == "POST /prices"]
    update, refresh = (span for span in spans if span.parent_id == request.span_id)
    assert (update.name, refresh.name) == ("UPDATE prices", "refresh catalogue")
    statements = [span.name for span in spans if span.parent_id == refresh.span_id]
    assert statements[0] == "SELECT products"
    assert set(statements[1:]) == {"SELECT prices"}
    assert {span.trace_id for span in spans if span.parent_id == refresh.span_id} == {request.trace_id}


@pytest.mark.parametrize("asked", [{}, {"OTEL_TRACES_EXPORTER": "none"}, {"OTEL_SDK_DISABLED": "true"}])
def test_nothing_is_traced_unless_asked_for(receiver: Any, asked: dict[str, str]) -> None:
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint} if asked else {}
    with running_shop(**endpoint, **asked) as shop:
        assert shop.ask("GET", "/products/CHN-11")[0] == 200
        assert shop.end(signal.SIGTERM) == (0, "")
    assert receiver.spans() == []


def test_an_exporter_that_the_shop_does_not_have_is_one_clear_line() -> None:
    with running_shop(OTEL_TRACES_EXPORTER="zipkin") as shop:
        ending = shop.end(signal.SIGTERM)
    assert ending == (0, "no traces: OTEL_TRACES_EXPORTER: expected otlp or none, got zipkin\n")


@pytest.mark.parametrize("missing", ["opentelemetry", "opentelemetry.instrumentation.wsgi"])
def test_the_shop_runs_without_the_libraries_and_says_so_once(missing: str, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(f"import sys; sys.modules[{missing!r}] = None\n")
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    with running_shop(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9", PYTHONPATH=path) as shop:
        assert shop.ask("POST", "/prices", {"sku": "CHN-11", "cents": 2790})[0] == 200
        status, log = shop.end(signal.SIGTERM)
    assert status == 0
    assert re.fullmatch(rf"no traces: .*{re.escape(missing)}.*; run pip install 'thread-telemetry\[demo\]'\n", log)


def test_each_worker_of_gunicorn_sends_the_traces_of_its_own(tmp_path: Path, wait_until: Callable[..., None]) -> None:
    pytest.importorskip("gunicorn")
    port = free_port()
    command = [sys.executable, "-m", "gunicorn", "-k", "gthread", "-w", "2", "--threads", "4"]
    with OtlpReceiver() as receiver:

        def senders(name: str) -> set[object]:
            spans = receiver.spans()
            return {attributes_of(resource)["service.instance.id"] for resource, _, span in spans if span.name == name}

        gunicorn = subprocess.Popen(
            [*command, "--no-control-socket", "-b", f"127.0.0.1:{port}", "shop.wsgi:application"],
            cwd=EXAMPLES,
            # It leaves state files in the home folder.
            env=os.environ
            | PROMPTLY
            | {"HOME": str(tmp_path), "SHOP_DATABASE": str(tmp_path / "shop.sqlite")}
            | {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint},
            stderr=subprocess.PIPE,
            text=True,
        )
        watchdog = threading.Timer(60, gunicorn.kill)
        watchdog.start()
        try:
            wait_until(lambda: len(senders("refresh catalogue")) == 2, timeout=30)
            assert Shop(gunicorn, port).ask("GET", "/products/CHN-11")[0] == 200
            gunicorn.terminate()
            _, log = gunicorn.communicate(timeout=30)
            assert gunicorn.returncode == 0, log
            # The worker sends the rest at its end.
            assert senders("GET /products/{sku}") < senders("refresh catalogue"), log
        finally:
            watchdog.cancel()
            gunicorn.kill()
            gunicorn.communicate()


# The receiver


def post(receiver: Any, path: str, body: bytes, **headers: str) -> int:
    address = urlsplit(receiver.endpoint)
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=10)
    try:
        connection.request("POST", path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        return connection.getresponse().status
    finally:
        connection.close()


def test_the_receiver_keeps_the_latest_spans_only(trace_receiver: ModuleType) -> None:
    with trace_receiver.TraceReceiver(capacity=3) as receiver:
        recording = Recording(receiver)
        for number in range(5):
            recording.span(f"span {number}", 0, 1)
        assert [span.name for span in receiver.spans()] == ["span 2", "span 3", "span 4"]


def test_the_receiver_takes_metrics_and_logs_and_keeps_nothing_of_them(receiver: Any) -> None:
    assert [post(receiver, f"/v1/{signal}", b"") for signal in ("metrics", "logs", "profiles")] == [200, 200, 404]
    assert receiver.spans() == []


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"no protobuf", {}, 400),
        (b"no gzip", {"Content_Encoding": "gzip"}, 400),
        (gzip.compress(b"\n\0" * 100)[:-9], {"Content_Encoding": "gzip"}, 400),
        (gzip.compress(bytes(20_000_000)), {"Content_Encoding": "gzip"}, 413),
        (b"", {"Content_Length": "20000000"}, 413),
        (b"", {"Content_Length": "many"}, 400),
    ],
    ids=["no protobuf", "no gzip", "cut off", "a bomb", "too long", "no length"],
)
def test_the_receiver_refuses_what_it_cannot_read_and_goes_on(
    receiver: Any, recording: Recording, body: bytes, headers: dict[str, str], status: int
) -> None:
    assert post(receiver, "/v1/traces", body, **headers) == status
    recording.span("afterwards", 0, 1)
    assert [span.name for span in receiver.spans()] == ["afterwards"]


# The tree


def test_a_slow_request_is_a_tree_with_the_wait_and_what_its_owner_did_meanwhile(
    request_tree: ModuleType, receiver: Any, recording: Recording
) -> None:
    owner = recording.request("POST /prices", -40, 170)
    recording.span("UPDATE prices", -40, -30, owner)
    linked = recording.refresh(-30, owner)
    request = recording.request("GET /products/{sku}", 0, 173)
    recording.wait(1, 171, request, linked)
    recording.span("render", 171, 172.5, request)
    recording.request("GET /health", 0, 900)

    expected = """\
  trace 12345678; times count from the start of the request
     start      took
    0.0 ms  173.0 ms  GET /products/{sku}  answered 200
    1.0 ms  170.0 ms  ├─ waited for shop.cache:Cache._guard
                      │  at       shop.cache.Cache.get (shop/cache.py:24), 3 threads in the queue
                      │  held by  shop.storage.Connection.query (shop/storage.py:58)
                      │  the owner meanwhile, trace 12345678:
  -40.0 ms  210.0 ms  │  └─ POST /prices  answered 200
                      │     (1 more, before or after the wait)
  -30.0 ms  200.0 ms  │     └─ refresh catalogue
                      │        (1 more, before or after the wait)
  -10.0 ms   40.0 ms  │        ├─ 2 × SELECT prices  20.0 ms each
   30.0 ms   20.0 ms  │        ├─ SELECT prices  ← the owner was here
   50.0 ms  120.0 ms  │        └─ 6 × SELECT prices  20.0 ms each
  171.0 ms    1.5 ms  └─ render"""
    assert printed(request_tree, receiver) == expected


def test_the_longest_wait_is_shown_or_a_long_one_for_another_request(
    request_tree: ModuleType, receiver: Any, recording: Recording
) -> None:
    recording.wait(1, 190, recording.request("GET /products", 0, 191), recording.refresh(-5))
    owner = recording.request("POST /prices", 1000, 1200)
    recording.wait(1001, 1090, recording.request("GET /short", 1000, 1100), owner)
    assert "GET /products  answered" in printed(request_tree, receiver)
    assert "the owner meanwhile, trace 12345678, which is no request:" in printed(request_tree, receiver)

    for number, length in enumerate((110, 130, 120)):
        recording.wait(1001, 1001 + length, recording.request(f"GET /{number}", 1000, 1150), owner)
    assert "GET /1  answered" in printed(request_tree, receiver)


def test_how_a_wait_went_is_told_where_it_went_otherwise_than_most(
    request_tree: ModuleType, receiver: Any, recording: Recording
) -> None:
    gil = "python.lock.wait.gil.duration"
    request, owner = recording.request("GET /products", 0, 300), recording.refresh(-5)
    recording.wait(1, 100, request, owner, **{"python.lock.waiters": 1, gil: 0.0123})
    recording.wait(100, 200, request, owner, **{"python.lock.wait.outcome": "timed out", gil: 0.0001})
    recording.wait(200, 300, request, owner, **{"python.lock.waiters": 1})
    lines = [line.strip(" │") for line in printed(request_tree, receiver).splitlines() if "at  " in line]
    site = "at       shop.cache.Cache.get (shop/cache.py:24)"
    assert lines == [f"{site}, 12.3 ms of it for the GIL", f"{site}, 3 threads in the queue, timed out", site]


def test_an_owner_whose_span_did_not_come_explains_nothing(
    request_tree: ModuleType, receiver: Any, recording: Recording, trace_receiver: ModuleType
) -> None:
    assert printed(request_tree, receiver).startswith("None to show: no spans were received")
    with trace_receiver.TraceReceiver() as elsewhere:
        unknown = Recording(elsewhere).refresh(-5)
    recording.wait(1, 190, recording.request("GET /products", 0, 191), unknown)
    assert printed(request_tree, receiver).startswith("None to show: none of 2 spans is a wait")


def test_a_narrow_terminal_cuts_nothing_off(request_tree: ModuleType, receiver: Any, recording: Recording) -> None:
    recording.wait(1, 190, recording.request("GET /products", 0, 191), recording.refresh(-5))
    wide, narrow = printed(request_tree, receiver, 200), printed(request_tree, receiver, 64)
    assert max(map(len, narrow.splitlines())) <= 64
    assert len(narrow.splitlines()) > len(wide.splitlines())
    assert re.sub(r"[\s│]", "", narrow) == re.sub(r"[\s│]", "", wide)


def test_a_file_without_these_characters_gets_others(
    request_tree: ModuleType, receiver: Any, recording: Recording
) -> None:
    recording.wait(1, 190, recording.request("GET /produkte/größe\x1b[2J", 0, 191), recording.refresh(-5))
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    file.write(request_tree.slow_request(receiver.spans(), file, 120))
    file.seek(0)
    text = file.read()
    assert "`- waited for" in text
    assert "<- the owner was here" in text
    assert r"GET /produkte/gr\xf6\xdfe\x1b[2J" in text
