"""A real OTLP/HTTP receiver, for tests of the data on the wire."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import TypeAlias, TypeVar

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

Request: TypeAlias = ExportTraceServiceRequest | ExportMetricsServiceRequest | ExportLogsServiceRequest
OneRequest = TypeVar("OneRequest", ExportTraceServiceRequest, ExportMetricsServiceRequest, ExportLogsServiceRequest)

SIGNALS = {
    "/v1/traces": (ExportTraceServiceRequest, ExportTraceServiceResponse),
    "/v1/metrics": (ExportMetricsServiceRequest, ExportMetricsServiceResponse),
    "/v1/logs": (ExportLogsServiceRequest, ExportLogsServiceResponse),
}


class OtlpReceiver:
    """Listens on a free port of 127.0.0.1 from `__enter__` to `__exit__`.

    What it answers with an error counts as not received, and is kept nowhere. Safe to use from any thread.
    """

    def __init__(self) -> None:
        self.status = 200
        """Status code of every answer."""
        self.delay = 0.0
        """Delay of each answer in seconds; cut short when the receiver closes."""
        self.attempts = 0
        """Number of requests, whether accepted or refused."""
        self.requests: list[Request] = []
        """Accepted requests, oldest first."""
        self.headers: list[tuple[str, Message]] = []
        """Path and headers of each accepted request."""
        self._closed = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> OtlpReceiver:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        self._server.shutdown()
        self._server.server_close()

    @property
    def endpoint(self) -> str:
        """URL for `OTEL_EXPORTER_OTLP_ENDPOINT`, without a final slash and without the path of a signal."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def spans(self) -> list[tuple[Resource, InstrumentationScope, Span]]:
        return [
            (resource.resource, scope.scope, span)
            for request in self._accepted(ExportTraceServiceRequest)
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def metrics(self) -> list[tuple[Resource, InstrumentationScope, Metric]]:
        return [
            (resource.resource, scope.scope, metric)
            for request in self._accepted(ExportMetricsServiceRequest)
            for resource in request.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        ]

    def logs(self) -> list[tuple[Resource, InstrumentationScope, LogRecord]]:
        return [
            (resource.resource, scope.scope, record)
            for request in self._accepted(ExportLogsServiceRequest)
            for resource in request.resource_logs
            for scope in resource.scope_logs
            for record in scope.log_records
        ]

    def schema_urls(self) -> dict[str, str]:
        """Return the last received schema URL of each scope."""
        found = {}
        for request in list(self.requests):
            if isinstance(request, ExportTraceServiceRequest):
                scopes = [scope for each in request.resource_spans for scope in each.scope_spans]
                found.update({scope.scope.name: scope.schema_url for scope in scopes})
            elif isinstance(request, ExportMetricsServiceRequest):
                metrics = [scope for each in request.resource_metrics for scope in each.scope_metrics]
                found.update({scope.scope.name: scope.schema_url for scope in metrics})
            else:
                logs = [scope for each in request.resource_logs for scope in each.scope_logs]
                found.update({scope.scope.name: scope.schema_url for scope in logs})
        return found

    def _accepted(self, kind: type[OneRequest]) -> Iterator[OneRequest]:
        return (request for request in list(self.requests) if isinstance(request, kind))

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.attempts += 1
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                # The endpoint of a single signal may have any path before the signal's own.
                request, response = SIGNALS[self.path[self.path.rindex("/v1/") :]]
                status = receiver.status
                if receiver.delay and receiver._closed.wait(receiver.delay):
                    return
                if status == 200:
                    receiver.headers.append((self.path, self.headers))
                    receiver.requests.append(request.FromString(body))
                answer = response().SerializeToString() if status == 200 else b""
                self.send_response(status)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        return Handler


def attributes_of(carrier: object) -> dict[str, str | int | float | bool | None]:
    """Convert the attributes of a resource, span or data point to Python values."""
    return {each.key: _value(each.value) for each in getattr(carrier, "attributes", [])}


def _value(value: AnyValue) -> str | int | float | bool | None:
    kind = value.WhichOneof("value")
    return None if kind is None else getattr(value, kind)
