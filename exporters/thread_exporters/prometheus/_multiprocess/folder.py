"""The folder that the processes of a service share, in which others may have left anything."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeAlias

Stamp: TypeAlias = tuple[int, int, int]
"""Differs between two contents of a file: when it was written, its number and its size."""

_MAX_SIZE: Final = 64 * 1024 * 1024
_READ: Final = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
_NEW: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
TEMPORARY: Final = ".tmp"
"""What the names of files end with that are not finished."""


def own_part_of(path: str) -> Folder:
    """The folder for our files in one that is given: itself, or a private one in it if it is like /tmp.

    That is a folder of all users in which nobody can remove or rename what others made, as container runtimes mount
    them. Raises OSError if there is no such folder.
    """
    given = Folder(path)
    mode = given.path.stat().st_mode
    if hasattr(os, "geteuid") and mode & stat.S_IWOTH and mode & stat.S_ISVTX:
        return Folder(given.path / f"thread-{os.geteuid()}")
    return given


class Folder:
    """Reads what this user's processes wrote, follows no links, waits for nobody, and writes whole files.

    Its path is absolute, for the program may change its working directory.
    """

    def __init__(self, path: str | Path) -> None:
        self.path: Final = Path(os.path.abspath(path))

    def make(self) -> None:
        """Make it if there is none. Raises OSError if that cannot be done, PermissionError if others can write to it.

        Of a path that is a link, the folder counts that it leads to.
        """
        with suppress(FileExistsError):
            self.path.mkdir(0o700)
        self.check()

    def check(self) -> None:
        """Raises OSError if there is no such folder, PermissionError if others can write to it."""
        status = self.path.stat()
        if not stat.S_ISDIR(status.st_mode):
            raise NotADirectoryError(20, "it is no folder")
        if not hasattr(os, "geteuid"):
            return
        if status.st_uid not in (0, os.geteuid()):
            raise PermissionError(1, f"it belongs to another user ({status.st_uid})")
        others = status.st_mode & stat.S_IWOTH or (status.st_mode & stat.S_IWGRP and status.st_gid != os.getegid())
        if others:
            mode = stat.S_IMODE(status.st_mode)
            raise PermissionError(1, f"others can write to it (mode {mode:o}), a folder in it of mode 700 is safe")

    def names(self) -> list[str]:
        """What is in it, nothing if it is gone."""
        try:
            return os.listdir(self.path)
        except OSError:
            return []

    def stamp(self, name: str) -> Stamp | None:
        """That of a file, None if there is none."""
        try:
            status = os.stat(self.path / name, follow_symlinks=False)
        except OSError:
            return None
        return status.st_mtime_ns, status.st_ino, status.st_size

    def open(self, name: str) -> int:
        """A descriptor for reading. Raises FileNotFoundError, or another OSError unless it is a file of ours."""
        descriptor = os.open(self.path / name, _READ)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise OSError(22, "it is no regular file")
            if hasattr(os, "geteuid") and status.st_uid not in (0, os.geteuid(), os.stat(self.path).st_uid):
                raise PermissionError(1, f"it belongs to another user ({status.st_uid})")
            if status.st_size > _MAX_SIZE:
                raise OSError(27, f"it has {status.st_size} bytes")
        except OSError:
            os.close(descriptor)
            raise
        return descriptor

    def read(self, name: str) -> bytes:
        """What is in a file. Raises as `open` does."""
        with open(self.open(name), "rb") as file:
            return file.read(_MAX_SIZE)

    def new_file(self, owner: str) -> tuple[int, str]:
        """A descriptor and the name of a new file, which nobody else can have foreseen. Raises OSError."""
        name = f"{owner}.{os.urandom(8).hex()}{TEMPORARY}"
        return os.open(self.path / name, _NEW, 0o600), name

    def rename(self, old: str, new: str) -> None:
        """Put a file in the place of another. Raises OSError."""
        os.replace(self.path / old, self.path / new)

    def write(self, name: str, owner: str, content: bytes) -> None:
        """Replace a file as a whole. Raises OSError; the file is then what it was."""
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
        """Remove a file, if that can be done."""
        # Another process may have been faster, or the file is that of another user.
        with suppress(OSError):
            os.unlink(self.path / name)


def _make_unique(descriptor: int) -> None:
    # Clocks of file systems are coarse, and the next file may have the same number and size: a reader would not notice.
    at = os.fstat(descriptor).st_mtime_ns + int.from_bytes(os.urandom(2), "little")
    os.utime(descriptor, ns=(at, at))
