"""Serves the metrics page: prometheus_client's own server, made so that the program does not notice it."""

from __future__ import annotations

import _thread
import logging
import os
import signal
import socket
import socketserver
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final
from wsgiref.simple_server import WSGIRequestHandler

from prometheus_client.exposition import ThreadingWSGIServer

from thread import telemetry

from ._metrics_app import WsgiApp

_log: Final = logging.getLogger("thread.telemetry")


class _QuietHandler(WSGIRequestHandler):
    timeout = 30.0
    """A client that is silent for so many seconds is left, and its thread ends."""

    def log_message(self, format: str, *arguments: object) -> None:
        pass


class MetricsServer(ThreadingWSGIServer):
    """Listens from its construction until `close`. Raises OSError or UnicodeError where it cannot listen.

    `shared` lets other processes of this user listen to the same port; one of them gets each request.

    Its threads are raw ones. A program that joins all threads that `threading` lists, or waits until it is the last
    one, would never end if they were on that list.
    """

    timeout = 0.5
    """Where a listening socket cannot be woken, closing takes at most so many seconds."""

    def __init__(self, app: WsgiApp, host: str, port: int, *, shared: bool = False) -> None:
        self.allow_reuse_port = shared
        self.address_family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        super().__init__((str(address[0]), port), _QuietHandler)
        self.set_app(app)
        self._process = os.getpid()
        self._open = True
        with telemetry.hidden():
            self._serving = _thread.allocate_lock()
        self._serving.acquire()
        with _all_signals_blocked():
            _start_hidden(self._serve)

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
            try:
                self.socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            self._serving.acquire(timeout=timeout)
        self.server_close()

    def server_bind(self) -> None:
        """Bind without asking DNS what the host is called, as HTTPServer does: not to know it may take seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]
        self.setup_environ()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread of its own: a client that is slow to ask holds up nobody."""
        answer = partial(self.process_request_thread, request, client_address)
        try:
            _start_hidden(answer)
        except RuntimeError:
            # Once the main thread has come to its end, no other can be started from 3.12 on, and those that run go on.
            answer()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is nothing to print on the program's stderr."""
        _log.debug("a request for metrics from %s broke off", client_address, exc_info=True)

    def _serve(self) -> None:
        try:
            while self._open:
                self.handle_request()
        except (OSError, ValueError):
            # The socket was closed under it, since it did not come to its end in time.
            if self._open:
                raise
        finally:
            self._serving.release()


def _start_hidden(run: Callable[[], object]) -> None:
    def run_hidden() -> None:
        with telemetry.hidden():
            run()

    # Hidden here too: it may be the observed function that is called.
    with telemetry.hidden():
        _thread.start_new_thread(run_hidden, ())


@contextmanager
def _all_signals_blocked() -> Iterator[None]:
    # A program that blocks a signal in all its threads, to wait for it, would die of it if it came to one of ours.
    # They inherit what is blocked when they start. What the processor raises stays with the thread it is for.
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    crashes = {signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSEGV}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals() - crashes)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
