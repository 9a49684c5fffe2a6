"""The metrics page on a port of its own, as long as the exporter exists."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Final

from .allowed_hosts import AllowedHosts
from .lending_listener import LendingListener, PortOfAncestorError, leave_standby
from .listener import Listener
from .parent_process import ParentProcess
from .routes import Page, Routes
from .server import MetricsServer
from .shared_listener import SharedListener
from .tls import Tls

_SECONDS_TO_END: Final = 1.0

_log: Final = logging.getLogger("thread.telemetry")


class ServedPage:
    """Serves a page on `host` and `port`, as soon as the port is free.

    `listener`, if given, already listens there. With a `folder`, all processes that write to it share the port, and
    each answers if the others do not. Safe to use from any thread, but from one at a time.
    """

    def __init__(
        self,
        page: Callable[[], Page],
        host: str,
        port: int,
        *,
        folder: Path | None = None,
        tls: Tls | None = None,
        allowed_hosts: Collection[str] | None = None,
        listener: Listener | None = None,
    ) -> None:
        self._page = page
        self._listener = listener
        self._host = host
        self._port = port
        self._folder = folder
        self._tls = tls
        self._hosts = AllowedHosts(allowed_hosts, host)
        self._server: MetricsServer | None = None
        self._process = os.getpid()
        self._parent: ParentProcess | None = None
        self._has_complained = False
        self.serve()

    @property
    def url(self) -> str | None:
        """Address of the page; None while it is not served."""
        return None if self._server is None else self._server.url

    @property
    def is_news(self) -> bool:
        """True if this process is the first to serve the page there."""
        return self._server is not None and not self._server.was_given_port

    def serve(self) -> None:
        """Serve the page unless it is already served. Called at each export; logs one line for the first failure."""
        if self._server is not None:
            self._server.look_after()
            if self._server.has_port:
                self._resume(self._server)
                return
            self._server.close(_SECONDS_TO_END)
            self._server = None
        if self._folder is not None or self._parent is None or not self._parent.lives:
            self._begin()

    def _resume(self, server: MetricsServer) -> None:
        try:
            server.resume()
        except (OSError, RuntimeError):
            # No thread or socket is available. The next export tries again.
            pass

    def _begin(self) -> None:
        try:
            self._server = self._new_server()
        except PortOfAncestorError:
            self._has_complained = True
            return
        except (OSError, UnicodeError, RuntimeError) as error:
            if not self._has_complained:
                self._has_complained = True
                self._complain(error)
            return
        if self._has_complained and self._parent is None:
            _log.warning("serving metrics again at %s", self._server.url)
        self._has_complained = False

    def _new_server(self) -> MetricsServer:
        tls: Any = None if self._tls is None else self._tls.context()
        if self._folder is None:
            given, self._listener = self._listener, None
            listener: Listener = given or LendingListener(self._host, self._port)
        else:
            listener = SharedListener(self._folder, self._host, self._port)
        try:
            return MetricsServer(listener, Routes(self._page, self._hosts).answer, tls)
        except BaseException:
            listener.close()
            raise

    def _complain(self, error: Exception) -> None:
        reason = getattr(error, "strerror", None) or error
        _log.warning(
            "cannot serve metrics on %s:%d: %s; continuing without them, and trying again at each export "
            "(to change the address, set THREAD_TELEMETRY_PORT or THREAD_TELEMETRY_HOST)",
            self._host,
            self._port,
            reason,
        )

    def after_fork_in_child(self) -> None:
        """Share the port with the parent from the next export on, or leave it to the parent as long as that lives.

        A child logs nothing about a port that its parent or another child has.
        """
        self._parent, self._process = ParentProcess(self._process), os.getpid()
        self._has_complained = True
        server, self._server = self._server, None
        if server is not None and server.after_fork_in_child():
            self._server = server

    def close(self, timeout: float) -> None:
        """Free the port within `timeout` seconds."""
        server, self._server = self._server, None
        if server is not None:
            server.close(timeout)
        leave_standby()
