"""Sockets and descriptors that others may have closed behind our back, and whose numbers they may use by now."""

from __future__ import annotations

import os
import socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final, TypeAlias

    Identity: TypeAlias = tuple[int, int] | None


def identity_of(descriptor: int) -> Identity:
    """The file behind a descriptor, None if there is none or the system does not tell."""
    try:
        status = os.fstat(descriptor)
    except OSError:
        return None
    return status.st_dev, status.st_ino


class Descriptor:
    """A descriptor that is ours for as long as it leads to the file that it led to at first.

    A program that becomes a daemon closes every descriptor it can count to, and the next file it opens gets the
    number of one that was ours.
    """

    def __init__(self, number: int) -> None:
        self.number: Final = number
        self._identity: Final = identity_of(number)

    @property
    def is_ours(self) -> bool:
        """Whether it still leads there."""
        return identity_of(self.number) == self._identity

    def close(self) -> None:
        """Close it if it is ours."""
        if self.is_ours:
            os.close(self.number)


class OwnSocket:
    """A non-blocking socket that is ours for as long as its descriptor leads to it."""

    def __init__(self, connected: socket.socket) -> None:
        connected.setblocking(False)
        self.socket: Final = connected
        self._identity: Final = identity_of(connected.fileno())

    @property
    def is_ours(self) -> bool:
        """Whether it still leads there."""
        return self.socket.fileno() >= 0 and identity_of(self.socket.fileno()) == self._identity

    def close(self) -> None:
        """Close it if it is ours, forget it if not."""
        if self.is_ours:
            self.socket.close()
        else:
            self.socket.detach()

    def __del__(self) -> None:
        # The socket itself, when it goes, would close what has its number by now.
        try:
            self.close()
        except Exception:
            pass  # When the interpreter ends, what this needs may be gone.
