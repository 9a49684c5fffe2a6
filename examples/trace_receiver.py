"""A receiver of traces over OTLP/HTTP that keeps the latest spans in memory."""

from __future__ import annotations

import threading
import zlib
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

LONGEST_BODY = 16 * 1024 * 1024
"""Maximum size of a request in bytes, before and after decompression."""

PATIENCE = 10.0
"""Seconds after which an idle connection is closed."""


@dataclass(frozen=True, slots=True)
class Link:
    span_id: str
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Span:
    """One span of a trace. Identifiers are hexadecimal, times are nanoseconds since the Unix epoch."""

    trace_id: str
    span_id: str
    parent_id: str
    """Identifier of the parent; empty for the first span of a trace."""
    name: str
    is_request: bool
    """True if the span is a request from a client."""
    started_at: int
    ended_at: int
    attributes: Mapping[str, Any]
    links: tuple[Link, ...]

    @property
    def duration(self) -> int:
        return self.ended_at - self.started_at


class TraceReceiver:
    """A receiver that listens on a free port of 127.0.0.1 during the `with` block. It keeps `capacity` spans."""

    def __init__(self, capacity: int = 20_000) -> None:
        self._spans: deque[Span] = deque(maxlen=capacity)
        self._server = _Server(self._spans)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True)

    @property
    def endpoint(self) -> str:
        """URL for OTEL_EXPORTER_OTLP_ENDPOINT."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def spans(self) -> list[Span]:
        """Return the kept spans in the order of arrival."""
        return list(self._spans)

    def __enter__(self) -> TraceReceiver:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    # Open connections must not keep the program from ending.
    daemon_threads = True
    block_on_close = False

    def __init__(self, spans: deque[Span]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.spans = spans


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = PATIENCE

    def do_POST(self) -> None:
        try:
            body = self._body()
            if self.path == "/v1/traces":
                assert isinstance(self.server, _Server)
                self.server.spans.extend(_spans(ExportTraceServiceRequest.FromString(body)))
            # Metrics and logs arrive as well. Accept and ignore them.
            elif self.path not in ("/v1/metrics", "/v1/logs"):
                return self._answer(HTTPStatus.NOT_FOUND)
        except _TooLongError:
            return self._answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        except (DecodeError, ValueError, zlib.error):
            return self._answer(HTTPStatus.BAD_REQUEST)
        # An empty message means that everything was accepted.
        return self._answer(HTTPStatus.OK)

    def _body(self) -> bytes:
        length = int(self.headers.get("Content-Length", ""))
        if not 0 <= length <= LONGEST_BODY:
            raise _TooLongError
        body = self.rfile.read(length)
        if self.headers.get("Content-Encoding") == "gzip":
            # Bounded, or a few bytes could decompress to fill the memory.
            gzip = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
            body = gzip.decompress(body, LONGEST_BODY)
            if not gzip.eof:
                raise _TooLongError if gzip.unconsumed_tail else ValueError
        return body

    def _answer(self, status: HTTPStatus) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", "0")
        if status is not HTTPStatus.OK:
            # The body may be unread.
            self.send_header("Connection", "close")
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        pass


class _TooLongError(Exception):
    pass


def _spans(request: ExportTraceServiceRequest) -> Iterable[Span]:
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            yield from map(_span, scope.spans)


def _span(span: trace_pb2.Span) -> Span:
    return Span(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        name=span.name,
        is_request=span.kind == trace_pb2.Span.SPAN_KIND_SERVER,
        started_at=span.start_time_unix_nano,
        ended_at=span.end_time_unix_nano,
        attributes=_attributes(span.attributes),
        links=tuple(Link(link.span_id.hex(), _attributes(link.attributes)) for link in span.links),
    )


def _attributes(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    return None if kind is None else getattr(value, kind)
