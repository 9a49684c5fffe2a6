"""The server of the metrics page: one thread for all clients, which never waits for any single one.

A server inside someone else's process must give each client a deadline for its whole request, use a single thread that
neither `threading` nor the program sees, speak TLS, and share one socket between processes. No well-kept WSGI server
does all of that. So we handle the sockets ourselves, and the standard library parses the requests and formats the
answers, as in prometheus_client's own server.
"""

from __future__ import annotations

import logging
import selectors
import socket
from collections import deque
from collections.abc import Callable
from time import sleep
from typing import Any, Final, TypeAlias

from thread import telemetry
from thread.telemetry import monotonic

from .connection import Connection, brief_answer
from .descriptor import OwnSocket
from .lazy_page import do_in_this_thread
from .listener import Listener

Answer: TypeAlias = Callable[[bytes, tuple[str, int]], bytes]
"""A function from a request without a body, and the address it arrived at, to the complete answer."""

MAX_CONNECTIONS: Final = 10
"""Maximum number of clients served at the same time. Any further client is told to come back."""
_MAX_REFUSED: Final = 10
"""Maximum number of refused clients that may still read their answer."""
_HESITATION: Final = 0.3
"""Seconds a process gives the leader before it accepts a connection itself."""
_MOMENT: Final = 0.001
_WITHOUT_DESCRIPTORS: Final = 1.0
"""Seconds until the next try when the program has no descriptors left."""

_log: Final = logging.getLogger("thread.telemetry")


class MetricsServer:
    """Answers the clients of a listener from construction until `close`.

    Its thread stops for a fork and then continues with the same clients. Raises RuntimeError if no thread can start.
    """

    def __init__(self, listener: Listener, answer: Answer, tls: Any = None) -> None:
        self._listener = listener
        self._answer = answer
        self._tls = tls
        self._failure: Exception | None = None
        self._has_failed = False
        self._forget_clients()
        self._open_wakeup()
        self._open = True
        self._thread = telemetry.UnobservedThread(self._serve, wake=self._wake)
        try:
            self.resume()
        except RuntimeError:
            self._close_wakeup()
            raise

    def _forget_clients(self) -> None:
        self._clients: list[Connection] = []
        self._refused: deque[Connection] = deque()
        self._came_at: float | None = None
        self._listen_again_at = 0.0

    @property
    def url(self) -> str:
        """Address of the metrics."""
        host, port = self._listener.address
        return f"{'https' if self._tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}/metrics"

    @property
    def was_given_port(self) -> bool:
        """True if another process had the port before."""
        return self._listener.was_given

    @property
    def has_port(self) -> bool:
        """True if no other code has closed the socket."""
        return self._listener.is_ours

    def look_after(self) -> None:
        """Log the first failure and replace what has disappeared. This must not happen while a client waits."""
        failure, self._failure = self._failure, None
        if failure is not None:
            _log.error("cannot make the metrics page; further failures will not be logged", exc_info=failure)
        if self._listener.look_after():
            self._wake()

    def resume(self) -> None:
        """Start the thread unless it runs. Raises RuntimeError if no thread can be started."""
        if not self._thread.is_running:
            if not (self._wakeup_receiver.is_ours and self._wakeup_sender.is_ours):
                self._open_wakeup()
            try:
                self._thread.start()
            except RuntimeError:
                if not do_in_this_thread(self._serve):
                    raise

    def close(self, timeout: float) -> None:
        """Stop listening and free the port within `timeout` seconds."""
        self._open = False
        self._wake()
        deadline = monotonic() + timeout
        while self._thread.is_running and monotonic() < deadline:
            sleep(_MOMENT)
        self._hang_up()
        self._listener.close()

    def after_fork_in_child(self) -> bool:
        """Leave the clients to the parent, and the port too unless it is shared. Returns True if it is shared."""
        self._hang_up()
        self._thread = telemetry.UnobservedThread(self._serve, wake=self._wake)
        return self._listener.stay_in_child()

    def _hang_up(self) -> None:
        for each in (*self._clients, *self._refused):
            each.close()
        self._forget_clients()
        self._close_wakeup()

    def _open_wakeup(self) -> None:
        here, there = socket.socketpair()
        self._wakeup_receiver, self._wakeup_sender = OwnSocket(here), OwnSocket(there)

    def _close_wakeup(self) -> None:
        self._wakeup_receiver.close()
        self._wakeup_sender.close()

    def _wake(self) -> None:
        try:
            if self._wakeup_sender.is_ours:
                self._wakeup_sender.socket.send(b".")
                return
            # Whoever closed it has closed the port too, but a waiting thread keeps that open until a client connects.
            with socket.socket(self._listener.family, socket.SOCK_STREAM) as client:
                client.setblocking(False)
                client.connect_ex(self._listener.address)
        except OSError:
            pass

    def _serve(self) -> None:
        try:
            while self._goes_on():
                self._serve_once()
        except Exception as error:
            if self._open:
                self._fail(error)

    def _goes_on(self) -> bool:
        is_wanted = self._open and not self._thread.is_leaving
        return is_wanted and self._wakeup_receiver.is_ours and self._listener.is_ours

    def _serve_once(self) -> None:
        now = monotonic()
        clients = [*self._clients, *self._refused]
        ready = _ready(self._waited_for(now, clients), self._seconds_to_wait(now, clients))
        for client in clients:
            if client.descriptor in ready:
                client.go_on()
            elif now > client.deadline:
                client.close()
        self._clients = [each for each in self._clients if each.wants]
        self._refused = deque(each for each in self._refused if each.wants)
        if self._wakeup_receiver.socket.fileno() in ready:
            self._wakeup_receiver.socket.recv(1)
        handover = self._listener.handover_socket
        if handover is not None and handover.socket.fileno() in ready:
            self._listener.hand_over()
        if self._listener.listening.socket.fileno() in ready:
            self._client_came(now)
        elif now >= self._listen_again_at:
            # Another process has accepted the connection.
            self._came_at = None

    def _waited_for(self, now: float, clients: list[Connection]) -> dict[int, int]:
        waited_for = {self._wakeup_receiver.socket.fileno(): selectors.EVENT_READ}
        if now >= self._listen_again_at and not self._listener.is_lent:
            waited_for[self._listener.listening.socket.fileno()] = selectors.EVENT_READ
        if self._listener.handover_socket is not None:
            waited_for[self._listener.handover_socket.socket.fileno()] = selectors.EVENT_READ
        waited_for.update((client.descriptor, client.wants) for client in clients)
        return waited_for

    def _seconds_to_wait(self, now: float, clients: list[Connection]) -> float | None:
        until = [client.deadline for client in clients]
        if now < self._listen_again_at:
            until.append(self._listen_again_at)
        elif self._came_at is not None:
            return 0.0
        return max(min(until) - now, 0.0) + 0.001 if until else None

    def _client_came(self, now: float) -> None:
        if self._came_at is None and not self._listener.leads():
            self._came_at = now
            self._listen_again_at = now + _HESITATION
            return
        self._came_at = None
        try:
            if not self._listener.is_ours:
                return
            accepted, _ = self._listener.listening.socket.accept()
        except (BlockingIOError, InterruptedError, ConnectionError):
            return
        except OSError:
            self._listen_again_at = now + _WITHOUT_DESCRIPTORS
            return
        self._receive(accepted)

    def _receive(self, accepted: socket.socket) -> None:
        try:
            client = Connection(accepted, self._tls)
        except (OSError, ValueError):
            accepted.close()
            return
        if self._has_room():
            client.answer_with(self._answered)
            self._clients.append(client)
        else:
            client.refuse()
            self._refused.append(client)
            if len(self._refused) > _MAX_REFUSED:
                self._refused.popleft().close()
        client.go_on()

    def _has_room(self) -> bool:
        if len(self._clients) < MAX_CONNECTIONS:
            return True
        hesitant = next((client for client in self._clients if client.is_hesitant), None)
        if hesitant is None:
            return False
        hesitant.close()
        self._clients.remove(hesitant)
        return True

    def _answered(self, request: bytes) -> bytes:
        try:
            return self._answer(request, self._listener.address)
        except Exception as error:
            self._fail(error)
            return brief_answer(b"500 Internal Server Error", b"cannot make the metrics page; see the program's log\n")

    def _fail(self, error: Exception) -> None:
        if not self._has_failed:
            self._has_failed, self._failure = True, error


def _ready(waited_for: dict[int, int], timeout: float | None) -> set[int]:
    # Made for each call: the program could close the descriptor of a selector that is kept.
    selector = getattr(selectors, "PollSelector", selectors.SelectSelector)()
    for descriptor, events in waited_for.items():
        if descriptor >= 0:
            selector.register(descriptor, events)
    return {key.fd for key, _ in selector.select(timeout)}

