"""Serves the metrics of a registry: prometheus_client's own server, so that the observed program does not notice it."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import socketserver
import threading
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

from thread import telemetry

_log: Final = logging.getLogger("thread.telemetry")


class _QuietHandler(WSGIRequestHandler):
    timeout = 30.0
    """A client that asks nothing is left after so many seconds, and its thread ends."""

    def log_message(self, format: str, *arguments: object) -> None:
        pass


class MetricsServer(ThreadingWSGIServer):
    """Listens from its construction until `close`. Raises OSError or UnicodeError where it cannot listen."""

    timeout = 0.5
    """Where a listening socket cannot be woken, closing takes at most so many seconds."""

    def __init__(self, registry: CollectorRegistry, host: str, port: int) -> None:
        self.address_family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        super().__init__((str(address[0]), port), _QuietHandler)
        self.set_app(make_wsgi_app(registry))
        self._process = os.getpid()
        self._open = True
        with telemetry.hidden():
            self._thread = self._start_thread("thread-telemetry-prometheus", self._serve)

    @property
    def url(self) -> str:
        """Where the metrics are."""
        host = f"[{self.server_name}]" if self.address_family == socket.AF_INET6 else self.server_name
        return f"http://{host}:{self.server_port}/metrics"

    def close(self, timeout: float) -> None:
        """Stop listening and free the port within `timeout` seconds.

        In a forked child only the child's copy of the socket is closed; the parent goes on serving.
        """
        self._open = False
        if os.getpid() == self._process:
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)
            self._thread.join(timeout)
        self.server_close()

    def server_bind(self) -> None:
        """Bind without asking DNS what the host is called, as HTTPServer does: it may take seconds to not know."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]
        self.setup_environ()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._start_thread("thread-telemetry-scrape", self.process_request_thread, request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is nothing to print on the program's stderr."""
        _log.debug("a request for metrics from %s broke off", client_address, exc_info=True)

    def _serve(self) -> None:
        while self._open:
            self.handle_request()

    @staticmethod
    def _start_thread(name: str, target: Any, *arguments: Any) -> threading.Thread:
        # A thread without a name takes the next number, and the program's own would be called otherwise than without us.
        thread = threading.Thread(target=target, args=arguments, name=name, daemon=True)
        thread.start()
        return thread
