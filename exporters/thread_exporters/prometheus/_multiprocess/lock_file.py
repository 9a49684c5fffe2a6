"""The processes that write to a folder, and which of them live.

Each holds a lock on a file of its own, whatever ends it. The lock belongs to the open file and not to the process
(`flock`): no other open and close of that file gives it up, as with the locks of POSIX.
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
"""The suffix of the file that a process holds a lock on."""

State = Literal["lives", "ended", "unknown"]


def new_identity() -> str:
    """What the files of this process begin their names with."""
    # A later process may have the same number, and begins to count from zero.
    return f"thread-{os.getpid()}-{time_ns():x}{os.urandom(2).hex()}"


def identity_in(name: str, suffix: str) -> str | None:
    """Whose file that is, None for a file of another kind."""
    identity = name.removesuffix(suffix)
    return identity if identity != name and _IDENTITY.fullmatch(identity) else None


def order_of(identity: str) -> tuple[int, str]:
    """Those that began first come first."""
    began = identity.rpartition("-")[2]
    return len(began), began


class LockFile:
    """A file that is locked while this process lives. Raises OSError where it cannot be made."""

    def __init__(self, folder: Folder, identity: str) -> None:
        import fcntl  # not everywhere

        self._folder = folder
        self._name = identity + LOCK
        # Under its name it is never seen unlocked.
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
        """Whether others can see that this process lives: both the descriptor and the file can be taken away."""
        if not self._descriptor.is_ours:
            return False
        stamp = self._folder.stamp(self._name)
        return stamp is not None and stamp[1] == os.fstat(self._descriptor.number).st_ino

    def touch(self) -> None:
        """Keep what cleans folders from removing it."""
        os.utime(self._descriptor.number)

    def release(self) -> None:
        """Tell others that this process has ended."""
        import fcntl

        if self._descriptor.is_ours:
            # A child that was forked meanwhile has the lock as well.
            fcntl.flock(self._descriptor.number, fcntl.LOCK_UN)
        self.forget()

    def forget(self) -> None:
        """Leave the lock to the parent, in a forked child."""
        self._descriptor.close()


def state_of(folder: Folder, identity: str) -> State:
    """Whether a process lives, unknown where its lock file is gone or no file of ours."""
    import fcntl

    try:
        descriptor = folder.open(identity + LOCK)
    except OSError:
        return "unknown"
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        # A child that is forked in this moment has the lock as well.
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    except BlockingIOError:
        return "lives"
    except OSError:
        return "unknown"
    finally:
        os.close(descriptor)
    return "ended"


def process_exists(identity: str) -> bool:
    """Whether there is a process of that number, which may also be a later one."""
    found = _IDENTITY.fullmatch(identity)
    try:
        os.kill(int(found[1]) if found else 0, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True


def remove_lock(folder: Folder, identity: str) -> None:
    """Remove the lock file of a process that has ended."""
    folder.remove(identity + LOCK)
