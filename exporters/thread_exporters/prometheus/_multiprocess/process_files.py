"""The files that one process of several writes to PROMETHEUS_MULTIPROC_DIR.

Our own pages are made from files in the format of `json_format.py`, which are fast to read and have exemplars. On
request there are also files in prometheus_client's format, which its MultiProcessCollector reads.

prometheus_client changes its own files in place, mapped into memory, and a full disk kills the process that does so.
We replace whole files at each export. A reader finds the numbers of one moment, and if the disk is full, those of the
last export.

When a process ends, its counters must stay and its gauges must go, even if it was killed. So each process holds a lock
on a file of its own as long as it lives, and all processes clean up files without an owner.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from thread.telemetry import Snapshot

from ..._schema.exemplars import Exemplars
from .._format.samples import samples_of_process
from .ended_processes import fold_the_ended, remove_client_gauges
from .folder import Folder, own_part_of
from .json_format import COUNTS, GAUGES, encode
from .lock_file import LockFile, new_identity

if TYPE_CHECKING:
    from .mmap_format import ClientFiles

VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"

_log: Final = logging.getLogger("thread.telemetry")


class ProcessFiles:
    """The files of this process in a folder. There is at most one object per folder. Not thread-safe.

    Raises ValueError if there is no such folder, if it is not writable, or if others can write to it.
    """

    def __init__(self, folder: str, *, client_files: bool = False) -> None:
        self._given = Folder(folder)
        self._with_client_files = client_files
        self._lock: LockFile | None = None
        self._begin_as_another()
        try:
            self._folder = own_part_of(folder)
            self._folder.make()
            self._make_sure_of_the_lock()
        except OSError as error:
            raise ValueError(
                f"{VARIABLE}: expected a folder that only this user can write to, got {folder!r}: "
                f"{error.strerror}"
            ) from error

    @property
    def path(self) -> Path:
        """Folder of the files."""
        return self._folder.path

    def _begin_as_another(self) -> None:
        self._identity = new_identity()
        self._client_files = self._new_client_files() if self._with_client_files else None

    def write(self, snapshot: Snapshot, exemplars: Exemplars) -> None:
        """Replace the numbers of this process, and fold the files of ended processes.

        Raises OSError if they cannot be written; the previous ones then remain.
        """
        try:
            self._folder.make()
            self._make_sure_of_the_lock()
            self._write(snapshot, exemplars)
        except OSError as error:
            raise OSError(
                error.errno,
                f"{error.strerror}; the metrics of this process will not change until writing succeeds",
                str(self.path),
            ) from error
        for complaint in fold_the_ended(self._folder, self._given, self._identity):
            _log.warning("%s", complaint)

    def _write(self, snapshot: Snapshot, exemplars: Exemplars) -> None:
        samples = samples_of_process(snapshot, exemplars)
        if self._client_files is not None:
            for stem, content in self._client_files.contents(samples):
                # Let other threads have the GIL now, while there is no unfinished file.
                time.sleep(0)
                self._given.write(f"{stem}_{self._identity}.db", self._identity, content)
        for suffix in (COUNTS, GAUGES):
            content = encode(suffix, samples, exemplars.items())
            time.sleep(0)
            self._folder.write(f"{self._identity}{suffix}", self._identity, content)

    def _make_sure_of_the_lock(self) -> None:
        if self._lock is None or not self._lock.is_held():
            if self._lock is not None:
                self._lock.release()
            self._lock = LockFile(self._folder, self._identity)
        self._lock.touch()

    def close(self) -> None:
        """Remove the gauges, because the process is about to end, and fold its counts into the sum of ended ones."""
        self._folder.remove(f"{self._identity}{GAUGES}")
        remove_client_gauges(self._given, [self._identity])
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.release()
        try:
            fold_the_ended(self._folder, self._given, self._identity, with_own=True)
        except OSError:
            # Another process will, if there is one.
            pass

    def after_fork_in_child(self) -> None:
        """Begin new files at the next export. Until then the child may have become another program."""
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.forget()
        self._begin_as_another()

    @staticmethod
    def _new_client_files() -> ClientFiles:
        from .mmap_format import ClientFiles  # slow

        return ClientFiles()
