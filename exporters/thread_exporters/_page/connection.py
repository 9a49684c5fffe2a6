"""The connection to one client of the metrics page."""

from __future__ import annotations

import socket
from collections.abc import Callable, Generator
from functools import partial
from selectors import EVENT_READ, EVENT_WRITE
from typing import Any, Final, TypeAlias, TypeVar

from thread.telemetry import monotonic

from .descriptor import OwnSocket

Result = TypeVar("Result")
Waiting: TypeAlias = Generator[int, None, Result]
"""A generator that yields the event it waits for, as a constant of `selectors`."""

REQUEST_SECONDS: Final = 10.0
"""Time a client has for its whole request, including the TLS handshake."""
ANSWER_SECONDS: Final = 30.0
"""Time it then has to read the whole answer."""
HESITANT_AFTER: Final = 1.0
"""Seconds after which a client without a request may be dropped to make room for another."""
_LAST_SECONDS: Final = 1.0
"""Time a client has to hang up after the answer."""
_MAX_REQUEST: Final = 32 * 1024
_AT_ONCE: Final = 64 * 1024

_BUSY: Final = b"503 Service Unavailable", b"all connections of the metrics page are in use; try again in a second\n"
_TOO_LARGE: Final = b"431 Request Header Fields Too Large", b"expected a request of at most 32 kB\n"


class Connection:
    """A client whose request is read and answered without ever waiting: call `go_on` when its socket is ready.

    `wants` is the event it waits for; 0 means the connection is over. `deadline` is a time of `time.monotonic`.
    """

    def __init__(self, accepted: socket.socket, tls: Any = None) -> None:
        if tls is not None:
            accepted.setblocking(False)
            accepted = tls.wrap_socket(accepted, server_side=True, do_handshake_on_connect=False)
        self._own: Final = OwnSocket(accepted)
        self._is_tls: Final = tls is not None
        self._began: Final = monotonic()
        self._steps: Waiting[None] | None = None
        self._has_asked = False
        self.deadline = self._began + REQUEST_SECONDS
        self.wants = EVENT_READ

    def answer_with(self, answer: Callable[[bytes], bytes]) -> None:
        """Serve this client. `answer` returns the whole answer to a request without a body."""
        self._steps = self._served(answer)

    def refuse(self) -> None:
        """Tell this client that all connections are in use."""
        self._has_asked = True
        self._steps = self._refused()
        self.deadline = self._began + _LAST_SECONDS

    @property
    def descriptor(self) -> int:
        """Descriptor to wait for."""
        return self._own.socket.fileno()

    @property
    def is_hesitant(self) -> bool:
        """True if the client has not sent its request yet, though it had time to."""
        return not self._has_asked and monotonic() - self._began > HESITANT_AFTER

    def go_on(self) -> None:
        """Do everything that is possible without waiting."""
        try:
            self.wants = next(self._steps, 0) if self._steps is not None and self._own.is_ours else 0
        except (OSError, ValueError):
            # The client hung up or does not speak TLS. The program need not know.
            self.wants = 0
        if not self.wants:
            self.close()

    def close(self) -> None:
        """Hang up. In a forked child this closes only the child's copy; the parent goes on."""
        self.wants = 0
        self._own.close()

    def _served(self, answer: Callable[[bytes], bytes]) -> Waiting[None]:
        if self._is_tls:
            yield from self._done(self._own.socket.do_handshake, EVENT_READ)  # type: ignore[attr-defined]
        request = yield from self._request()
        self._has_asked = True
        if not request:
            return
        answered = answer(request) if len(request) <= _MAX_REQUEST else brief_answer(*_TOO_LARGE)
        self.deadline = monotonic() + ANSWER_SECONDS
        yield from self._sent(answered)
        yield from self._hung_up()

    def _refused(self) -> Waiting[None]:
        if not self._is_tls:
            yield from self._sent(brief_answer(*_BUSY, b"Retry-After: 1\r\n"))
            yield from self._hung_up()

    def _request(self) -> Waiting[bytes]:
        """Read the request up to the blank line that ends its head. Returns nothing if the client hangs up first."""
        request = b""
        while b"\r\n\r\n" not in request and b"\n\n" not in request and len(request) <= _MAX_REQUEST:
            received = yield from self._done(partial(self._own.socket.recv, _AT_ONCE), EVENT_READ)
            if not received:
                return b""
            request += received
        return request

    def _sent(self, answer: bytes) -> Waiting[None]:
        sent = 0
        while sent < len(answer):
            piece = answer[sent : sent + _AT_ONCE]
            sent += yield from self._done(partial(self._own.socket.send, piece), EVENT_WRITE)

    def _hung_up(self) -> Waiting[None]:
        # Closing a socket with unread input discards the part of the answer that the client has not read yet.
        self.deadline = min(self.deadline, monotonic() + _LAST_SECONDS)
        if self._is_tls:
            yield from self._done(self._own.socket.unwrap, EVENT_READ)  # type: ignore[attr-defined]
            return
        self._own.socket.shutdown(socket.SHUT_WR)
        while (yield from self._done(partial(self._own.socket.recv, _AT_ONCE), EVENT_READ)):
            pass

    def _done(self, action: Callable[[], Result], wants: int) -> Waiting[Result]:
        while True:
            try:
                return action()
            except (BlockingIOError, InterruptedError):
                yield wants
            except OSError as error:
                # TLS may need to read before it can write, and vice versa. Names avoid the slow import of `ssl`.
                wanted = {"SSLWantReadError": EVENT_READ, "SSLWantWriteError": EVENT_WRITE}.get(type(error).__name__)
                if wanted is None:
                    raise
                yield wanted


def brief_answer(status: bytes, text: bytes, headers: bytes = b"") -> bytes:
    """Build a complete answer with one line of text."""
    return (
        b"HTTP/1.0 %b\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n%b\r\n%b"
        % (status, len(text), headers, text)
    )
