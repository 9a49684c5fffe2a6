"""The port of the metrics page, listened to by one process alone."""

from __future__ import annotations

import os
import socket

from .descriptor import OwnSocket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_BACKLOG: Final = 128


class Listener:
    """Listens from its construction until `close`. Raises OSError or UnicodeError where it cannot listen."""

    def __init__(self, host: str, port: int) -> None:
        self._listen_to(listening_socket(host, port))

    def _listen_to(self, listening: socket.socket) -> None:
        self.listening = OwnSocket(listening)
        self.family = listening.family
        host, port, *_ = listening.getsockname()
        self.address = str(host), int(port)
        """The address and the port that it listens to."""

    @property
    def is_ours(self) -> bool:
        """Whether nobody has closed it behind our back."""
        return self.listening.is_ours

    @property
    def was_given(self) -> bool:
        """Whether another process had the port before, and has told where the page is."""
        return False

    @property
    def is_lent(self) -> bool:
        """Whether another process is the only one that is to accept connections."""
        return False

    @property
    def handover_socket(self) -> OwnSocket | None:
        """Where other processes come to share the port."""
        return None

    def hand_over(self) -> None:
        """Let in another process that stands at the door."""

    def leads(self) -> bool:
        """Whether this process has to accept connections at once, and not only when nobody else does."""
        return True

    def look_after(self) -> bool:
        """Make anew what has disappeared. Called at each export. Returns whether the door is a new one."""
        return False

    def stay_in_child(self) -> bool:
        """Decide in a forked child whether it listens as well. If not, its copy is closed."""
        self.close()
        return False

    def close(self) -> None:
        """Stop listening. In a forked child, only its copy of the socket is closed."""
        self.listening.close()


def listening_socket(host: str, port: int) -> socket.socket:
    """A socket that listens, to a port that nobody else listens to."""
    # As bytes, since what encodes a name takes long to import; an address needs none.
    name = host.encode() if host.isascii() else host
    family, _, _, _, address = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            # The connections of the last process that had the port may still be coming to their end.
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(_BACKLOG)
    except BaseException:
        made.close()
        raise
    return made
