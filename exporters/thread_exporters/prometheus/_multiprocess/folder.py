"""The folder that the processes of a service share. It may contain anything."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeAlias

Stamp: TypeAlias = tuple[int, int, int]
"""Modification time, inode and size of a file, which together change whenever its content does."""

_MAX_SIZE: Final = 64 * 1024 * 1024
_READ: Final = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_NEW: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
TEMPORARY: Final = ".tmp"
"""Suffix of unfinished files."""


def own_part_of(path: str) -> Folder:
    """Choose the folder for our files: the given one, or a private one inside it if it is like /tmp.

    A folder like /tmp is writable by all users, but nobody can remove or rename the files of others; container runtimes
    mount such folders. Raises OSError if there is no such folder.
    """
    given = Folder(path)
    mode = given.path.stat().st_mode
    if hasattr(os, "geteuid") and mode & stat.S_IWOTH and mode & stat.S_ISVTX:
        return Folder(given.path / f"thread-{os.geteuid()}")
    return given


class Folder:
    """A folder that reads only files of this user's processes, follows no links, never blocks, and writes whole files.

    Its path is absolute, because the program may change its working directory.
    """

    def __init__(self, path: str | Path) -> None:
        self.path: Final = Path(os.path.abspath(path))

    def make(self) -> None:
        """Make the folder if it does not exist. Raises OSError on failure, PermissionError if others can write to it.

        If the path is a link, its target counts.
        """
        with suppress(FileExistsError):
            self.path.mkdir(0o700)
        self.check()

    def check(self) -> None:
        """Check the folder. Raises OSError if it does not exist, PermissionError if others can write to it."""
        status = self.path.stat()
        if not stat.S_ISDIR(status.st_mode):
            raise NotADirectoryError(20, "it is not a folder")
        if not hasattr(os, "geteuid"):
            return
        if status.st_uid not in (0, os.geteuid()):
            raise PermissionError(1, f"it belongs to another user ({status.st_uid})")
        others = status.st_mode & stat.S_IWOTH or (status.st_mode & stat.S_IWGRP and status.st_gid != os.getegid())
        if others:
            mode = stat.S_IMODE(status.st_mode)
            raise PermissionError(1, f"others can write to it (mode {mode:o}); use a folder inside it with mode 700")

    def names(self) -> list[str]:
        """List the names in the folder. Empty if the folder is gone."""
        try:
            return os.listdir(self.path)
        except OSError:
            return []

    def stamp(self, name: str) -> Stamp | None:
        """Return the stamp of a file. None if there is no file."""
        try:
            status = os.stat(self.path / name, follow_symlinks=False)
        except OSError:
            return None
        return status.st_mtime_ns, status.st_ino, status.st_size

    def open(self, name: str) -> int:
        """Open a file for reading. Raises FileNotFoundError, or another OSError if it is not a file of ours."""
        descriptor = os.open(self.path / name, _READ)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise OSError(22, "it is not a regular file")
            if hasattr(os, "geteuid") and status.st_uid not in (0, os.geteuid(), os.stat(self.path).st_uid):
                raise PermissionError(1, f"it belongs to another user ({status.st_uid})")
            if status.st_size > _MAX_SIZE:
                raise OSError(27, f"it is too large ({status.st_size} bytes)")
        except OSError:
            os.close(descriptor)
            raise
        return descriptor

    def read(self, name: str) -> bytes:
        """Read a file. Raises the same errors as `open`."""
        with open(self.open(name), "rb") as file:
            return file.read(_MAX_SIZE)

    def new_file(self, owner: str) -> tuple[int, str]:
        """Create a file with an unpredictable name. Returns its descriptor and its name. Raises OSError."""
        name = f"{owner}.{os.urandom(8).hex()}{TEMPORARY}"
        return os.open(self.path / name, _NEW, 0o600), name

    def rename(self, old: str, new: str) -> None:
        """Rename a file, replacing any other of that name. Raises OSError."""
        os.replace(self.path / old, self.path / new)

    def write(self, name: str, owner: str, content: bytes) -> None:
        """Replace a whole file. Raises OSError; the file is then unchanged."""
        descriptor, new = self.new_file(owner)
        try:
            with open(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                _make_unique(descriptor)
            self.rename(new, name)
        except OSError:
            self.remove(new)
            raise

    def remove(self, name: str) -> None:
        """Remove a file if possible."""
        # Another process may have been faster, or the file may belong to another user.
        with suppress(OSError):
            os.unlink(self.path / name)


def _make_unique(descriptor: int) -> None:
    # Clocks of file systems are coarse, and the next file may have the same inode and size. Readers would not notice.
    at = os.fstat(descriptor).st_mtime_ns + int.from_bytes(os.urandom(2), "little")
    os.utime(descriptor, ns=(at, at))
