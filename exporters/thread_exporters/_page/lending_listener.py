"""A port that a process lends to the child that does the work.

A development server with a reloader runs the service in a child, which is the same program started again; the parent
only watches files. Both want the same port for their metrics, and the parent comes first. So the owner of the port also
has a handover socket, an abstract Unix socket named after its process. The child finds the handover sockets of its
ancestors, borrows the port, and keeps it as long as it lives. Other children, such as helpers, leave the port alone.

This works only on Linux, which has abstract sockets and shows the parent of every process.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections.abc import Iterator

from .descriptor import OwnSocket
from .listener import Listener, listening_socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_PATIENCE: Final = 0.5
"""Seconds a process has to ask for the port, or to answer."""
_GENERATIONS: Final = 8
_AGAIN: Final = b"a"
"""Request for the port by the same program, started again."""
_SPAWNED: Final = b"s"
"""Request for the port by a child of `multiprocessing`, whose parent may be working as well."""


class PortOfAncestorError(OSError):
    """An observed ancestor has the port. This is normal and needs no message."""


class LendingListener(Listener):
    """Listens from construction until `close`, on a port of its own or on one borrowed from an ancestor.

    Raises PortOfAncestorError if an ancestor keeps the port, OSError or UnicodeError if it cannot listen.
    """

    def __init__(self, host: str, port: int) -> None:
        self._lender: OwnSocket | None = None
        self._guest: OwnSocket | None = None
        try:
            listening = listening_socket(host, port)
        except OSError:
            borrowed = _borrowed(host, port)
            if borrowed is None:
                _stand_by()
                raise
            listening, lender = borrowed
            self._lender = OwnSocket(lender)
        self._listen_to(listening)
        leave_standby()
        handover = _new_handover_socket()
        self._handover_socket = None if handover is None else OwnSocket(handover)

    @property
    def is_lent(self) -> bool:
        return self._guest is not None

    @property
    def handover_socket(self) -> OwnSocket | None:
        # A borrower sends nothing more. Its connection closes when it ends.
        waited_for = self._guest or self._handover_socket
        return waited_for if waited_for is not None and waited_for.is_ours else None

    def hand_over(self) -> None:
        if self._guest is not None:
            self._guest.close()
            self._guest = None
            return
        assert self._handover_socket is not None
        try:
            guest, _ = self._handover_socket.socket.accept()
        except OSError:
            return
        try:
            if self._lend_to(guest):
                self._guest = OwnSocket(guest)
                return
        except OSError:
            pass
        guest.close()

    def _lend_to(self, guest: socket.socket) -> bool:
        process, user = _peer(guest)
        if user not in (0, os.geteuid()) or os.getpid() not in ancestors(process):
            return False
        guest.settimeout(_PATIENCE)
        asked = guest.recv(1)
        if asked != _AGAIN and not (asked == _SPAWNED and _has_no_threads()):
            return False
        socket.send_fds(guest, [b"."], [self.listening.socket.fileno()])
        return True

    def close(self) -> None:
        for each in (self._guest, self._lender, self._handover_socket):
            if each is not None:
                each.close()
        self._guest = self._lender = None
        self.listening.close()


_standby: Final[list[OwnSocket]] = []
"""Handover socket of a process without a port. It has logged why, and its children need not repeat that."""


def _stand_by() -> None:
    handover = None if _standby else _new_handover_socket()
    if handover is not None:
        _standby.append(OwnSocket(handover))


def leave_standby() -> None:
    """Close the handover socket of a process that has no port and no longer wants one."""
    while _standby:
        _standby.pop().close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=leave_standby)


def has_observed_ancestor() -> bool:
    """Check if an ancestor of this process has a page, or keeps one for a child."""
    for process in ancestors(os.getpid()):
        visitor = _connected_to(process)
        if visitor is not None:
            visitor.close()
            return True
    return False


def ancestors(process: int) -> Iterator[int]:
    """Yield the parent of a process, its grandparent and so on. Nothing if the system does not say."""
    for _ in range(_GENERATIONS):
        try:
            with open(f"/proc/{process}/stat", "rb") as status:
                process = int(status.read().rpartition(b")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            return
        if process <= 1:
            return
        yield process


def _borrowed(host: str, port: int) -> tuple[socket.socket, socket.socket] | None:
    """Borrow the port. Returns it with the connection to hold meanwhile, or None if no ancestor has the port."""
    for process in ancestors(os.getpid()):
        lender = _connected_to(process)
        if lender is None:
            continue
        asking = _asking(process)
        try:
            listening = _lent(lender, asking, host, port) if asking else None
        except OSError:
            listening = None
        if listening is None:
            lender.close()
            raise PortOfAncestorError(f"process {process}, an ancestor of this one, has the port")
        return listening, lender
    return None


def _asking(process: int) -> bytes:
    if "--multiprocessing-fork" in sys.orig_argv:
        return _SPAWNED if process == os.getppid() else b""
    own = _arguments(sys.orig_argv)
    return _AGAIN if own and _command_line(process)[-len(own) :] == own else b""


def _arguments(command_line: list[str]) -> list[str]:
    """Strip the interpreter and its options from a command line."""
    words = command_line[1:]
    while words and words[0].startswith("-") and words[0] not in ("-", "-m", "-c"):
        del words[: 2 if words[0] in ("-X", "-W") else 1]
    return words


def _command_line(process: int) -> list[str]:
    try:
        with open(f"/proc/{process}/cmdline", "rb") as file:
            return os.fsdecode(file.read()).split("\0")[:-1]
    except OSError:
        return []


def _lent(lender: socket.socket, asking: bytes, host: str, port: int) -> socket.socket | None:
    lender.settimeout(_PATIENCE)
    lender.sendall(asking)
    descriptors = socket.recv_fds(lender, 1, 1)[1]
    if not descriptors:
        return None
    listening = socket.socket(fileno=descriptors[0])
    listening.set_inheritable(False)
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    if listening.family == family and listening.getsockname()[:2] == address[:2]:
        return listening
    listening.close()
    return None


def _handover_name(process: int) -> bytes:
    return b"\0thread-telemetry-page-%d" % process


def _new_handover_socket() -> socket.socket | None:
    if sys.platform != "linux":
        return None
    handover = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        handover.bind(_handover_name(os.getpid()))
        handover.listen()
    except OSError:
        handover.close()
        return None
    return handover


def _connected_to(process: int) -> socket.socket | None:
    if sys.platform != "linux":
        return None
    visitor = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        visitor.settimeout(_PATIENCE)
        visitor.connect(_handover_name(process))
        # Any process on this machine could have taken that name.
        other, user = _peer(visitor)
        if other == process and user in (0, os.geteuid()):
            return visitor
    except OSError:
        pass
    visitor.close()
    return None


def _peer(other: socket.socket) -> tuple[int, int]:
    size = struct.calcsize("3i")
    process, user, _ = struct.unpack("3i", other.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return process, user


def _has_no_threads() -> bool:
    threading = sys.modules.get("threading")
    return len(getattr(threading, "_active", ())) <= 1
