"""The port of a metrics page that all processes writing to one folder share.

They share a single socket. With a socket each, the system would send clients to a process that is stopped or hangs as
well; with a common one, each client goes to a process that accepts it.

The first process opens the port exclusively, so that two services cannot share it by mistake. It also puts a Unix
socket into the folder, the handover socket. A process that connects to it receives both sockets and from then on
listens on both. One process leads: it holds a lock and accepts at once. The others accept only clients that it leaves
waiting.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TypeAlias

from .descriptor import Descriptor, OwnSocket
from .listener import Listener, listening_socket

Sockets: TypeAlias = tuple[socket.socket, socket.socket | None]
"""The port and the handover socket."""

_PATIENCE: Final = 0.5
"""Seconds a process has to answer at the handover socket. A process that hangs does not."""
_OTHERS_TURN: Final = 0.05
"""Seconds that another process, which has just opened the port, has to make its handover socket."""


class SharedListener(Listener):
    """Listens from construction until `close`. Raises OSError or UnicodeError if it cannot listen."""

    def __init__(self, folder: Path, host: str, port: int) -> None:
        self._folder = folder
        self._leading: Descriptor | None = None
        shared = _shared_by_others(folder, host, port)
        self._was_given = shared is not None
        listening, handover = shared or self._begin(host, port)
        self._listen_to(listening)
        self._handover_socket = None if handover is None else OwnSocket(handover)

    def _begin(self, host: str, port: int) -> Sockets:
        try:
            listening = listening_socket(host, port)
        except OSError:
            time.sleep(_OTHERS_TURN)
            shared = _shared_by_others(folder=self._folder, host=host, port=port)
            if shared is None:
                raise
            self._was_given = True
            return shared
        try:
            return listening, _new_handover_socket(self._folder, listening.getsockname()[1])
        except OSError:
            # The disk may be full, for example. Serve the page anyway; `look_after` tries again.
            return listening, None

    @property
    def was_given(self) -> bool:
        return self._was_given

    @property
    def handover_socket(self) -> OwnSocket | None:
        return self._handover_socket if self._handover_socket is not None and self._handover_socket.is_ours else None

    def hand_over(self) -> None:
        handover = self.handover_socket
        if handover is None:
            return
        try:
            guest, _ = handover.socket.accept()
        except OSError:
            return
        with guest:
            try:
                if _is_trusted(guest):
                    guest.settimeout(_PATIENCE)
                    socket.send_fds(guest, [b"."], [self.listening.socket.fileno(), handover.socket.fileno()])
            except OSError:
                pass

    def leads(self) -> bool:
        if self._leading is None or not self._leading.is_ours:
            self._leading = self._new_lead()
        return self._leading is not None

    def _new_lead(self) -> Descriptor | None:
        import fcntl  # not everywhere

        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            descriptor = os.open(self._folder / f"thread-{self.address[1]}.leader", flags, 0o600)
        except OSError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return None
        return Descriptor(descriptor)

    def look_after(self) -> bool:
        path = self._folder / _handover_name(self.address[1])
        try:
            # Cleaners of temporary folders remove files that have not changed for long.
            os.utime(path, follow_symlinks=False)
        except FileNotFoundError:
            return self._replace_handover_socket()
        except OSError:
            pass
        return False

    def _replace_handover_socket(self) -> bool:
        try:
            new = OwnSocket(_new_handover_socket(self._folder, self.address[1]))
        except OSError:
            return False
        old, self._handover_socket = self._handover_socket, new
        if old is not None:
            old.close()
        return True

    def stay_in_child(self) -> bool:
        if self._leading is not None:
            self._leading.close()
            self._leading = None
        return True

    def close(self) -> None:
        if self._leading is not None:
            self._leading.close()
            self._leading = None
        if self._handover_socket is not None:
            self._handover_socket.close()
        self.listening.close()


def _handover_name(port: int) -> str:
    return f"thread-{port}.sock"


def _new_handover_socket(folder: Path, port: int) -> socket.socket:
    handover = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    name = f"thread-{port}.{os.urandom(8).hex()}.tmp"
    try:
        with _short(folder) as short:
            handover.bind(f"{short}/{name}")
        os.chmod(folder / name, 0o600)
        handover.listen()
        # Renamed only now, so that nobody finds it before it listens.
        os.replace(folder / name, folder / _handover_name(port))
    except BaseException:
        handover.close()
        raise
    return handover


def _shared_by_others(folder: Path, host: str, port: int) -> Sockets | None:
    """Get the sockets that other processes share. None if there are none. Raises TimeoutError if all of them hang."""
    if not port:
        return None
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as guest:
        guest.settimeout(_PATIENCE)
        try:
            with _short(folder) as short:
                guest.connect(f"{short}/{_handover_name(port)}")
            if not _is_trusted(guest):
                return None
            descriptors = socket.recv_fds(guest, 1, 2)[1]
        except TimeoutError:
            raise TimeoutError("the processes that share it do not answer") from None
        except OSError:
            return None
    received = [socket.socket(fileno=descriptor) for descriptor in descriptors]
    for each in received:
        each.set_inheritable(False)
    if len(received) == 2 and _is_at(received[0], host, port) and received[1].family == socket.AF_UNIX:
        return received[0], received[1]
    for each in received:
        each.close()
    return None


def _is_at(listening: socket.socket, host: str, port: int) -> bool:
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    is_listening = listening.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    return bool(is_listening) and listening.family == family and listening.getsockname()[:2] == address[:2]


def _is_trusted(other: socket.socket) -> bool:
    """Check that the process at the other end belongs to this user or to root."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True
    _, user, _ = struct.unpack("3i", other.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    return user in (0, os.geteuid())


@contextmanager
def _short(folder: Path) -> Iterator[str]:
    """Provide a shorter path to a folder if possible: the path of a socket has at most about 100 characters."""
    if not os.path.isdir("/proc/self/fd"):
        yield str(folder)
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
