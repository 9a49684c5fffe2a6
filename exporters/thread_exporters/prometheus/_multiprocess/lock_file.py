"""Process liveness: each process holds a lock on a file of its own as long as it lives.

The system releases the lock however the process ends. It belongs to the open file and not to the process (`flock`), so
opening and closing the file elsewhere does not release it, as it would with POSIX locks.
"""

from __future__ import annotations

import os
import re
from typing import Final, Literal

from thread.telemetry import time_ns

from ..._page.descriptor import Descriptor
from .folder import Folder

_IDENTITY: Final = re.compile(r"thread-([0-9]{1,9})-[0-9a-f]{1,32}")
LOCK: Final = ".lock"
"""Suffix of the file that a process keeps locked."""

State = Literal["lives", "ended", "unknown"]


def new_identity() -> str:
    """Make the common prefix of the names of this process's files."""
    # A later process may have the same process id, and its counts start from zero.
    return f"thread-{os.getpid()}-{time_ns():x}{os.urandom(2).hex()}"


def identity_in(name: str, suffix: str) -> str | None:
    """Extract the identity from the name of a file. None if it is a file of another kind."""
    identity = name.removesuffix(suffix)
    return identity if identity != name and _IDENTITY.fullmatch(identity) else None


def order_of(identity: str) -> tuple[int, str]:
    """Sort key that puts older processes first."""
    began = identity.rpartition("-")[2]
    return len(began), began


class LockFile:
    """A file that is locked as long as this process lives. Raises OSError if it cannot be created."""

    def __init__(self, folder: Folder, identity: str) -> None:
        import fcntl  # not everywhere

        self._folder = folder
        self._name = identity + LOCK
        # Renamed only once it is locked, so that nobody sees it unlocked.
        descriptor, beside = folder.new_file(identity)
        self._descriptor = Descriptor(descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            folder.rename(beside, self._name)
        except OSError:
            os.close(descriptor)
            folder.remove(beside)
            raise

    def is_held(self) -> bool:
        """Check that others can see the lock. Both the descriptor and the file can be taken away."""
        if not self._descriptor.is_ours:
            return False
        stamp = self._folder.stamp(self._name)
        return stamp is not None and stamp[1] == os.fstat(self._descriptor.number).st_ino

    def touch(self) -> None:
        """Keep cleaners of temporary folders from removing the file."""
        os.utime(self._descriptor.number)

    def release(self) -> None:
        """Tell others that this process has ended."""
        import fcntl

        if self._descriptor.is_ours:
            # A child forked meanwhile has the lock as well.
            fcntl.flock(self._descriptor.number, fcntl.LOCK_UN)
        self.forget()

    def forget(self) -> None:
        """Leave the lock to the parent, in a forked child."""
        self._descriptor.close()


def state_of(folder: Folder, identity: str) -> State:
    """Tell if a process lives. Unknown if its lock file is gone or is not ours."""
    import fcntl

    try:
        descriptor = folder.open(identity + LOCK)
    except OSError:
        return "unknown"
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        # A child forked at this moment has the lock as well.
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    except BlockingIOError:
        return "lives"
    except OSError:
        return "unknown"
    finally:
        os.close(descriptor)
    return "ended"


def process_exists(identity: str) -> bool:
    """Check if any process has the process id in an identity, even if it is a later one."""
    found = _IDENTITY.fullmatch(identity)
    try:
        os.kill(int(found[1]) if found else 0, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True
