"""The port of a metrics page that one process listens on alone."""

from __future__ import annotations

import os
import socket

from .descriptor import OwnSocket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_BACKLOG: Final = 128


class Listener:
    """Listens from construction until `close`. Raises OSError or UnicodeError if it cannot listen."""

    def __init__(self, host: str, port: int) -> None:
        self._listen_to(listening_socket(host, port))

    def _listen_to(self, listening: socket.socket) -> None:
        self.listening = OwnSocket(listening)
        self.family = listening.family
        host, port, *_ = listening.getsockname()
        self.address = str(host), int(port)
        """Address and port it listens on."""

    @property
    def is_ours(self) -> bool:
        """True if no other code has closed the socket."""
        return self.listening.is_ours

    @property
    def was_given(self) -> bool:
        """True if another process had the port before and has already announced the page."""
        return False

    @property
    def is_lent(self) -> bool:
        """True if another process has borrowed the port and only that one may accept connections."""
        return False

    @property
    def handover_socket(self) -> OwnSocket | None:
        """Socket on which other processes ask for the port. None if there is none."""
        return None

    def hand_over(self) -> None:
        """Give the port to a process that asks for it at the handover socket."""

    def leads(self) -> bool:
        """Check if this process should accept connections at once, rather than only if no other process does."""
        return True

    def look_after(self) -> bool:
        """Replace what has disappeared. Called at each export. Returns True if the handover socket is a new one."""
        return False

    def stay_in_child(self) -> bool:
        """Keep listening in a forked child, if the port is shared, or close the child's copy. Returns True if kept."""
        self.close()
        return False

    def close(self) -> None:
        """Stop listening. In a forked child, close only its copy of the socket."""
        self.listening.close()


def listening_socket(host: str, port: int) -> socket.socket:
    """Open a socket that listens on a port of its own."""
    # As bytes, because the codec for host names is slow to import and an address does not need it.
    name = host.encode() if host.isascii() else host
    family, _, _, _, address = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            # Connections of the previous process on this port may still be closing.
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(_BACKLOG)
    except BaseException:
        made.close()
        raise
    return made
