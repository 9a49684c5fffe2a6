"""Which processes live, for others to see."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


class LockFile:
    """A file that is locked while this process lives, whatever ends it. A forked child does not have the lock.

    Raises OSError where it cannot be made.
    """

    def __init__(self, folder: Path, identity: str) -> None:
        import fcntl  # not everywhere

        self._path = folder / f"{identity}.lock"
        # Under its name it is never seen unlocked.
        beside = folder / f"{identity}.tmp"
        self._descriptor = os.open(beside, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            beside.rename(self._path)
        except OSError:
            os.close(self._descriptor)
            raise

    def remove(self) -> None:
        """Unlock it and remove it."""
        remove(self._path)
        self.forget()

    def forget(self) -> None:
        """Close it, which in a forked child leaves the lock to the parent."""
        os.close(self._descriptor)

    @staticmethod
    def is_free(path: Path) -> bool:
        """Whether its process is gone. Not to be asked of this process's own: that would unlock it."""
        import fcntl

        try:
            descriptor = os.open(path, os.O_RDWR)
        except OSError:
            # Another process was faster, or it belongs to another user.
            return False
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        finally:
            os.close(descriptor)
        return True


def remove(path: Path) -> None:
    """Remove a file, if that can be done."""
    # Another process may have been faster, or the file is that of another user.
    with suppress(OSError):
        path.unlink()
