"""The server of the metrics page: one thread for all clients, that never waits for any of them.

No WSGI server that is kept well does what is needed in the process of somebody else: hold each client to a deadline
for its whole request, serve with a single thread that neither `threading` nor the program sees, speak TLS, and share
one socket between processes. So the sockets are our own business; requests are parsed and answered by the standard
library, as with prometheus_client's own server.
"""

from __future__ import annotations

import _thread
import logging
import selectors
import signal
import socket
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, TypeAlias

from thread import telemetry

from ._clock import monotonic
from ._connection import Connection, brief_answer
from ._descriptor import OwnSocket
from ._listener import Listener

Answer: TypeAlias = Callable[[bytes, tuple[str, int]], bytes]
"""From a request without a body, and the address that it came to, to the whole answer."""

MAX_CONNECTIONS: Final = 10
"""Clients that are served at once. One more is told to come back."""
_MAX_REFUSED: Final = 10
"""Clients that may go on reading that they were refused."""
_HESITATION: Final = 0.3
"""Seconds that a process leaves to the one that leads before it accepts a connection itself."""
_WITHOUT_DESCRIPTORS: Final = 1.0
"""Seconds until the next try, where the program has no descriptors left."""

_log: Final = logging.getLogger("thread.telemetry")


class MetricsServer:
    """Answers the clients of a listener from its construction until `close`.

    Its thread is a raw one: a program that joins all threads that `threading` lists, or waits until it is the last
    one, would never end if it were on that list. Raises RuntimeError where no thread can be started.
    """

    def __init__(self, listener: Listener, answer: Answer, tls: Any = None) -> None:
        self._listener = listener
        self._answer = answer
        self._tls = tls
        self._failure: Exception | None = None
        self._has_failed = False
        self._forget_clients()
        self.resume()

    def _forget_clients(self) -> None:
        self._clients: list[Connection] = []
        self._refused: deque[Connection] = deque()
        self._came_at: float | None = None
        self._listen_again_at = 0.0

    @property
    def url(self) -> str:
        """Where the metrics are."""
        host, port = self._listener.address
        return f"{'https' if self._tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}/metrics"

    @property
    def has_port(self) -> bool:
        """Whether nobody has closed its socket behind its back."""
        return self._listener.is_ours

    @property
    def has_thread(self) -> bool:
        """Whether it answers."""
        return self._ended.locked()

    def look_after(self) -> None:
        """Do what must not be done while a client waits: log the first failure, make anew what has disappeared."""
        failure, self._failure = self._failure, None
        if failure is not None:
            _log.error("the page of metrics failed; further failures are not logged", exc_info=failure)
        if self._listener.look_after():
            self._ring()

    def resume(self) -> None:
        """Begin to answer, or go on after `pause`. Raises RuntimeError where no thread can be started."""
        here, there = socket.socketpair()
        self._alarm, self._bell = OwnSocket(here), OwnSocket(there)
        with telemetry.hidden():
            self._ended = ended = _thread.allocate_lock()
        self._open = True
        ended.acquire()
        try:
            with _all_signals_blocked():
                _start_hidden(partial(self._serve, ended))
        except RuntimeError:
            ended.release()
            self._close_bell()
            raise

    def pause(self, timeout: float) -> bool:
        """Have no thread until `resume`, and keep the port and the clients. Returns whether it ended in time."""
        self._open = False
        self._ring()
        has_ended = self._ended.acquire(timeout=max(timeout, 0.0))
        if has_ended:
            self._ended.release()
            self._close_bell()
        return has_ended

    def close(self, timeout: float) -> None:
        """Stop listening and free the port within `timeout` seconds."""
        self.pause(timeout)
        self._hang_up()
        self._listener.close()

    def after_fork_in_child(self) -> bool:
        """Leave the clients to the parent, and the port too unless it is shared. Returns whether it is."""
        self._hang_up()
        with telemetry.hidden():
            self._ended = _thread.allocate_lock()
        return self._listener.stay_in_child()

    def _hang_up(self) -> None:
        for each in (*self._clients, *self._refused):
            each.close()
        self._forget_clients()
        self._close_bell()

    def _ring(self) -> None:
        try:
            if self._bell.is_ours:
                self._bell.socket.send(b".")
                return
            # Who has closed it has closed the port as well, but a thread that waits keeps it open until a client comes.
            with socket.socket(self._listener.family, socket.SOCK_STREAM) as client:
                client.setblocking(False)
                client.connect_ex(self._listener.address)
        except OSError:
            pass

    def _close_bell(self) -> None:
        self._alarm.close()
        self._bell.close()

    def _serve(self, ended: _thread.LockType) -> None:
        try:
            # Another thread may have been started since, where this one did not come to its end in time.
            while self._open and self._ended is ended and self._alarm.is_ours and self._listener.is_ours:
                self._serve_once()
        except Exception as error:
            if self._open and self._ended is ended:
                self._fail(error)
        finally:
            ended.release()

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
        if self._alarm.socket.fileno() in ready:
            self._alarm.socket.recv(1)
        door = self._listener.door
        if door is not None and door.socket.fileno() in ready:
            self._listener.open_door()
        if self._listener.listening.socket.fileno() in ready:
            self._client_came(now)
        elif now >= self._listen_again_at:
            # Another process has accepted it.
            self._came_at = None

    def _waited_for(self, now: float, clients: list[Connection]) -> dict[int, int]:
        waited_for = {self._alarm.socket.fileno(): selectors.EVENT_READ}
        if now >= self._listen_again_at:
            waited_for[self._listener.listening.socket.fileno()] = selectors.EVENT_READ
        if self._listener.door is not None:
            waited_for[self._listener.door.socket.fileno()] = selectors.EVENT_READ
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
            return brief_answer(b"500 Internal Server Error", b"the page failed; the log of the program says why\n")

    def _fail(self, error: Exception) -> None:
        if not self._has_failed:
            self._has_failed, self._failure = True, error


def _ready(waited_for: dict[int, int], timeout: float | None) -> set[int]:
    # Not kept between two calls: a selector with a descriptor of its own could have it taken away.
    selector = getattr(selectors, "PollSelector", selectors.SelectSelector)()
    for descriptor, events in waited_for.items():
        if descriptor >= 0:
            selector.register(descriptor, events)
    return {key.fd for key, _ in selector.select(timeout)}


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
