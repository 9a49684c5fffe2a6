"""What one process of several adds to the metrics page of all: files in PROMETHEUS_MULTIPROC_DIR.

Our own pages are made of those of `_numbers_file.py`, which are read quickly and have exemplars. On demand there are
also those of prometheus_client's format, from which its MultiProcessCollector makes pages.

prometheus_client changes its own files in place, mapped into memory, and a full disk kills the process that does so.
Ours are written anew at each export and put in the place of the last ones: whoever reads them finds numbers of one
moment, and where the disk is full those of the last time.

Counters of a process that has ended stay. Its gauges have to go, even if it was killed. So each process holds a lock
on a file of its own for as long as it lives, and each looks after the files that nobody holds.
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
    """Those of this process in a folder, one at most for each folder. Not thread-safe.

    Raises ValueError if there is no such folder, if it cannot be written to, or if others can write to it.
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
                f"{VARIABLE}: expected a folder that this user can write to and nobody else, got {folder!r}: "
                f"{error.strerror}"
            ) from error

    @property
    def path(self) -> Path:
        """Where they are."""
        return self._folder.path

    def _begin_as_another(self) -> None:
        self._identity = new_identity()
        self._client_files = self._new_client_files() if self._with_client_files else None

    def write(self, snapshot: Snapshot, exemplars: Exemplars) -> None:
        """Replace the numbers of this process, and put those of processes together that are gone.

        Raises OSError where they cannot be written; those of the last time remain then.
        """
        try:
            self._folder.make()
            self._make_sure_of_the_lock()
            self._write(snapshot, exemplars)
        except OSError as error:
            raise OSError(
                error.errno,
                f"{error.strerror}; the metrics of this process stay as they were until it can be written",
                str(self.path),
            ) from error
        for complaint in fold_the_ended(self._folder, self._given, self._identity):
            _log.warning("%s", complaint)

    def _write(self, snapshot: Snapshot, exemplars: Exemplars) -> None:
        samples = samples_of_process(snapshot, exemplars)
        if self._client_files is not None:
            for stem, content in self._client_files.contents(samples):
                # Other threads may have the GIL, and before there is an unfinished file.
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
        """Take the gauges back, as the process is about to end, and leave the counts to the sum of the ended."""
        self._folder.remove(f"{self._identity}{GAUGES}")
        remove_client_gauges(self._given, [self._identity])
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.release()
        try:
            fold_the_ended(self._folder, self._given, self._identity, with_own=True)
        except OSError:
            # Another process will do it, if there is one.
            pass

    def after_fork_in_child(self) -> None:
        """Begin files of its own at the next export: until then the child may have become another program."""
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.forget()
        self._begin_as_another()

    @staticmethod
    def _new_client_files() -> ClientFiles:
        from .mmap_format import ClientFiles  # takes long

        return ClientFiles()
