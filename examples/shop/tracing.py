"""Traces of the requests, sent by OpenTelemetry to the endpoint in its standard variables.

    OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 OTEL_SERVICE_NAME=shop python -m shop

Without such a variable there are no traces. The shop also runs without the libraries.
"""

from __future__ import annotations

import logging
import os
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from shop.routes import route_of

if TYPE_CHECKING:
    from wsgiref.types import WSGIApplication, WSGIEnvironment

    from opentelemetry.trace import Span

try:
    from opentelemetry.trace import get_tracer
except ImportError:
    _tracer = None
else:
    # Does nothing until a provider is set, and then traces everything.
    _tracer = get_tracer("shop")

_log = logging.getLogger("shop")


def span(name: str, **attributes: str) -> AbstractContextManager[object]:
    """Trace the block as a part of a request, or of the shop's own work."""
    if _tracer is None:
        return nullcontext()
    return _tracer.start_as_current_span(name, attributes=attributes)


def traced(application: WSGIApplication) -> WSGIApplication:
    """Wrap the application in a span per request. Returns it unchanged without a request for traces or a library.

    This sets the tracer provider of the process, so call it once, and in the process that answers the requests:
    the thread that sends the spans does not survive a fork.
    """
    exporter = _wanted_exporter()
    if exporter == "none":
        return application
    if exporter != "otlp":
        _log.warning("no traces: OTEL_TRACES_EXPORTER: expected otlp or none, got %s", exporter)
        return application
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.trace import set_tracer_provider
    except ImportError as error:
        _log.warning("no traces: %s; run pip install 'thread-telemetry[demo]'", error)
        return application
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    set_tracer_provider(provider)
    middleware: Any = OpenTelemetryMiddleware(application, request_hook=_name)
    answering: WSGIApplication = middleware
    return answering


def _wanted_exporter() -> str:
    exporter = os.environ.get("OTEL_TRACES_EXPORTER", "").strip()
    endpoints = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    return exporter or ("otlp" if any(os.environ.get(endpoint) for endpoint in endpoints) else "none")


def _name(request: Span, environ: WSGIEnvironment) -> None:
    from opentelemetry.instrumentation.wsgi import get_default_span_name

    # Full paths would be as many names as there are products and customers. Unknown methods are all "HTTP".
    method = get_default_span_name(environ).partition(" ")[0]
    route = route_of(environ["PATH_INFO"])
    request.update_name(method if route is None else f"{method} {route}")
    if route is not None:
        request.set_attribute("http.route", route)
