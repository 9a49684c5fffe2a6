"""The metrics page of a registry, for a server or framework that the service already has."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterable, Sequence
from time import sleep
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qs

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.exposition import choose_encoder

from thread import telemetry

from ._format.collector import collector_of
from ._format.negotiation import accepts_gzip, wanted_format
from ._multiprocess.process_files import VARIABLE
from ._multiprocess.registry import registry_of_all

WsgiApp: TypeAlias = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
AsgiApp: TypeAlias = Callable[
    [dict[str, Any], Callable[[], Awaitable[Any]], Callable[[dict[str, Any]], Awaitable[Any]]], Awaitable[None]
]
Headers: TypeAlias = list[tuple[str, str]]

_END: Final = b"# EOF\n"
_ALLOWED: Final = "GET, HEAD, OPTIONS"
_FASTEST: Final = 1


def make_wsgi_app(registry: CollectorRegistry | None = None) -> WsgiApp:
    """Make a WSGI application that answers any path except /favicon.ico with the metrics page of a registry.

    The default is prometheus_client's default registry or, if PROMETHEUS_MULTIPROC_DIR is set, the metrics of all
    processes that write there. The application does the same as prometheus_client's, but writes the metrics of
    `thread.telemetry` many times faster. Raises ValueError for a PROMETHEUS_MULTIPROC_DIR that is not a folder.
    """
    chosen = _default_registry() if registry is None else registry

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        status, headers, body = _answer_at(
            environ.get("PATH_INFO", ""),
            chosen,
            environ["REQUEST_METHOD"],
            environ.get("QUERY_STRING", ""),
            environ.get("HTTP_ACCEPT", ""),
            environ.get("HTTP_ACCEPT_ENCODING", ""),
        )
        start_response(status, headers)
        return [body]

    return application


def make_asgi_app(registry: CollectorRegistry | None = None) -> AsgiApp:
    """Make an ASGI application that does the same. The event loop keeps running while the page is written."""
    chosen = _default_registry() if registry is None else registry

    async def application(
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[Any]],
        send: Callable[[dict[str, Any]], Awaitable[Any]],
    ) -> None:
        if scope["type"] != "http":
            raise ValueError(f"expected an HTTP request, got one of type {scope['type']!r}")
        import asyncio  # slow

        status, headers, body = await asyncio.to_thread(
            _answer_at,
            scope.get("path", ""),
            chosen,
            scope["method"],
            scope["query_string"].decode("latin-1"),
            _sent(scope, b"accept"),
            _sent(scope, b"accept-encoding"),
        )
        raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        await send({"type": "http.response.start", "status": int(status.split()[0]), "headers": raw})
        await send({"type": "http.response.body", "body": body})

    return application


def _default_registry() -> CollectorRegistry:
    folder = os.environ.get(VARIABLE)
    return registry_of_all(folder) if folder else REGISTRY


def _sent(scope: dict[str, Any], header: bytes) -> str:
    return b",".join([value for name, value in scope["headers"] if name.lower() == header]).decode("latin-1")


def _answer_at(
    path: str, registry: CollectorRegistry, method: str, query: str, accept: str, accept_encoding: str
) -> tuple[str, Headers, bytes]:
    # An application does not know its mount point, so it answers any path, except the icon that browsers ask for.
    if path.endswith("/favicon.ico"):
        return "404 Not Found", [("Content-Length", "0"), ("Content-Type", "text/plain")], b""
    return answer(registry, method, query, accept, accept_encoding)


def answer(
    registry: CollectorRegistry, method: str, query: str, accept: str, accept_encoding: str
) -> tuple[str, Headers, bytes]:
    """Answer a request for the page of a registry with status, headers and body."""
    if method == "OPTIONS":
        return "204 No Content", [("Allow", _ALLOWED)], b""
    if method not in ("GET", "HEAD"):
        text = f"expected one of {_ALLOWED}, got {method}\n"
        return "405 Method Not Allowed", [("Allow", _ALLOWED), ("Content-Type", "text/plain")], text.encode()
    with telemetry.hidden():
        page, content_type = metrics_page(registry, accept, parse_qs(query).get("name[]", ()))
        headers = [("Content-Type", content_type), ("Vary", "Accept, Accept-Encoding")]
        if accepts_gzip(accept_encoding):
            import gzip

            headers.append(("Content-Encoding", "gzip"))
            page = gzip.compress(page, _FASTEST)
    headers.append(("Content-Length", str(len(page))))
    return "200 OK", headers, b"" if method == "HEAD" else page


def metrics_page(registry: CollectorRegistry, accept: str = "", names: Sequence[str] = ()) -> tuple[bytes, str]:
    """Write the page in the format that an Accept header asks for, optionally of some metrics only.

    Returns the page and its content type.
    """
    encoder, content_type = choose_encoder(wanted_format(accept))
    collector = collector_of(registry)
    if names or collector is None:
        return encoder(registry.restricted_registry(names) if names else registry), content_type
    with collector.left_out():
        others = encoder(registry)
    end = _END if others.endswith(_END) else b""
    parts = [others.removesuffix(end), *collector.text(encoder, content_type), end]
    # Copying megabytes takes a while. Let other threads have the GIL first.
    sleep(0)
    return b"".join(parts), content_type
