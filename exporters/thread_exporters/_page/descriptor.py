"""Guarded sockets and descriptors: other code may have closed ours, and its number may now belong to another file."""

from __future__ import annotations

import os
import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final, TypeAlias

    Identity: TypeAlias = tuple[int, int] | None


def identity_of(descriptor: int) -> Identity:
    """Identify the file behind a descriptor. None if there is none or the system does not say."""
    try:
        status = os.fstat(descriptor)
    except OSError:
        return None
    return status.st_dev, status.st_ino


class Descriptor:
    """A descriptor that is ours as long as it refers to the same file as in the beginning.

    A program that becomes a daemon closes every descriptor. The next file it opens may get the number of one of ours.
    """

    def __init__(self, number: int) -> None:
        self.number: Final = number
        self._identity: Final = identity_of(number)

    @property
    def is_ours(self) -> bool:
        """True if the descriptor still refers to that file."""
        return identity_of(self.number) == self._identity

    def close(self) -> None:
        """Close the descriptor if it is ours."""
        if self.is_ours:
            os.close(self.number)


class OwnSocket:
    """A non-blocking socket that is ours as long as its descriptor still refers to it."""

    def __init__(self, connected: socket.socket) -> None:
        connected.setblocking(False)
        self.socket: Final = connected
        self._identity: Final = identity_of(connected.fileno())

    @property
    def is_ours(self) -> bool:
        """True if the descriptor still refers to that file."""
        return self.socket.fileno() >= 0 and identity_of(self.socket.fileno()) == self._identity

    def close(self) -> None:
        """Close the socket if it is ours, otherwise forget it."""
        if self.is_ours:
            self.socket.close()
        else:
            self.socket.detach()

    def __del__(self) -> None:
        # Without this, the finalizer of the socket would close whatever has its number now.
        try:
            self.close()
        except Exception:
            pass  # At the end of the interpreter, the things that this needs may be gone.
