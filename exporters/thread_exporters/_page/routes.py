"""The paths at the port of the metrics page. The standard library parses the requests and formats the answers."""

from __future__ import annotations

from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from io import BytesIO
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from .allowed_hosts import AllowedHosts

Headers: TypeAlias = list[tuple[str, str]]
Page: TypeAlias = Callable[[str, str, str, str], tuple[str, Headers, bytes]]
"""The page of a registry, called with the method, the query, and the Accept and Accept-Encoding headers."""

_TEXT: Final = ("Content-Type", "text/plain; charset=utf-8")
_HTML: Final = ("Content-Type", "text/html; charset=utf-8")
_START: Final = b'<!doctype html><title>thread-telemetry</title><a href="metrics">metrics</a>\n'
_FIXED: Final = {"/": (_HTML, _START), "/-/healthy": (_TEXT, b"healthy\n")}


class Routes:
    """The paths that exist: /metrics, / with a link to it, and /-/healthy."""

    def __init__(self, page: Callable[[], Page], hosts: AllowedHosts) -> None:
        self._page = page
        self._hosts = hosts

    def answer(self, request: bytes, address: tuple[str, int]) -> bytes:
        """Return the complete answer to a request without a body that arrived at this address."""
        return _Request(request, address, self).answer

    def respond(
        self, method: str, target: str, host: str | None, accept: str, accept_encoding: str, address: str
    ) -> tuple[str, Headers, bytes]:
        """Return status, headers and body for a well-formed request."""
        try:
            url = urlsplit(target if "://" in target else f"//{host or ''}{target}")
        except ValueError:
            return "400 Bad Request", [_TEXT], b"expected the path of a page\n"
        if host is not None and not self._hosts.allow(url.netloc, address):
            text = f"expected an allowed host, got {host!r}; set THREAD_TELEMETRY_ALLOWED_HOSTS to allow others\n"
            return "421 Misdirected Request", [_TEXT], text.encode()
        if url.path == "/metrics":
            return self._page()(method, url.query, accept, accept_encoding)
        found = _FIXED.get(url.path)
        if found is None:
            return "404 Not Found", [_TEXT], b"expected /metrics\n"
        if method not in ("GET", "HEAD"):
            return "405 Method Not Allowed", [("Allow", "GET, HEAD"), _TEXT], b"expected GET or HEAD\n"
        content_type, body = found
        return "200 OK", [content_type], body


class _Request(BaseHTTPRequestHandler):
    """One request, from bytes to bytes. Each connection gets at most one answer."""

    server_version = "thread-telemetry"
    sys_version = ""
    # Otherwise the answer to a request without a version would have no status line.
    default_request_version = "HTTP/1.0"

    def __init__(self, request: bytes, address: tuple[str, int], routes: Routes) -> None:
        self.answer = b""
        self._request = request
        self._routes = routes
        super().__init__(None, address, None)  # type: ignore[arg-type]

    def setup(self) -> None:
        self.rfile, self.wfile = BytesIO(self._request), BytesIO()

    def finish(self) -> None:
        self.answer = self.wfile.getvalue()  # type: ignore[attr-defined]

    def log_message(self, format: str, *arguments: object) -> None:
        """Log nothing: clients must not be able to fill the program's log."""

    def do_GET(self) -> None:
        hosts = self.headers.get_all("Host", [])
        if len(hosts) > 1 or (not hosts and self.request_version == "HTTP/1.1"):
            self._send("400 Bad Request", [_TEXT], b"expected one Host header\n")
            return
        self._send(
            *self._routes.respond(
                self.command,
                self.path,
                hosts[0] if hosts else None,
                ",".join(self.headers.get_all("Accept", [])),
                ",".join(self.headers.get_all("Accept-Encoding", [])),
                self.client_address[0],
            )
        )

    do_HEAD = do_OPTIONS = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def _send(self, status: str, headers: Headers, body: bytes) -> None:
        code, _, reason = status.partition(" ")
        self.send_response(int(code), reason)
        for name, value in headers:
            self.send_header(name, value)
        if code != "204" and not any(name == "Content-Length" for name, _ in headers):
            self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
