"""What one process of several adds to the metrics page of all: files in PROMETHEUS_MULTIPROC_DIR.

There are two kinds. prometheus_client's MultiProcessCollector, of which services make such a page, adds up what it
finds in those of its own format. Our own pages are made of those of `_numbers_file.py`, which are read many times
faster and have exemplars.

prometheus_client changes its own files in place, mapped into memory, and a full disk kills the process that does so.
Ours are written anew at each export and put in the place of the last ones: whoever reads them finds numbers of one
moment, and where the disk is full those of the last time.

Counters of a process that has ended stay. Its gauges have to go, even if it was killed. So each process holds a lock
on a file of its own for as long as it lives, and each looks after the files that nobody holds.
"""

from __future__ import annotations

import os
import time
from itertools import chain
from pathlib import Path
from typing import Final

from thread.telemetry import Snapshot

from ._client_files import ClientFiles
from ._exemplars import Exemplars
from ._lock_file import LockFile, remove
from ._numbers_file import COUNTS, GAUGES, contents_of
from ._recorded import recorded_here

VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"


class ProcessFiles:
    """Those of this process in a folder, one at most for each folder. Not thread-safe.

    Raises ValueError if there is no such folder, or it cannot be written to.
    """

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)
        self._client_files = ClientFiles()
        self._lock: LockFile | None = None
        self._begin()

    def _begin(self) -> None:
        # A later process may have the same number, and begins to count from zero.
        self._identity = f"thread-{os.getpid()}-{time.time_ns():x}"
        try:
            self._lock = LockFile(self.folder, self._identity)
        except OSError as error:
            raise ValueError(
                f"{VARIABLE}: expected a folder that can be written to, got {str(self.folder)!r}: {error.strerror}"
            ) from error

    def write(self, snapshot: Snapshot, exemplars: Exemplars) -> None:
        """Replace the numbers of this process, and remove gauges of processes that are gone.

        Raises OSError where they cannot be written; those of the last time remain then.
        """
        recorded = recorded_here(snapshot, exemplars)
        for stem, written in self._client_files.contents(recorded):
            self._replace(f"{stem}_{self._identity}.db", written)
            # Other threads may have the GIL.
            time.sleep(0)
        for suffix in (COUNTS, GAUGES):
            self._replace(f"{self._identity}{suffix}", contents_of(suffix, recorded, exemplars))
        self._remove_the_dead()

    def close(self) -> None:
        """Take the gauges back, as the process is about to end."""
        _remove_gauges(self.folder, self._identity)
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.remove()

    def after_fork_in_child(self) -> None:
        """Begin files of its own. Raises ValueError if that cannot be done any more."""
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.forget()
        self._begin()

    def _replace(self, name: str, written: bytes) -> None:
        path = self.folder / name
        beside = self.folder / f"{name}.{self._identity}.tmp"
        try:
            beside.write_bytes(written)
            beside.replace(path)
        except OSError as error:
            remove(beside)
            raise OSError(
                error.errno,
                f"{error.strerror}; the metrics of this process stay as they were until it can be written",
                str(path),
            ) from error

    def _remove_the_dead(self) -> None:
        for lock in self.folder.glob("thread-*.lock"):
            if lock.stem != self._identity and LockFile.is_free(lock):
                _remove_gauges(self.folder, lock.stem)
                remove(lock)


def _remove_gauges(folder: Path, identity: str) -> None:
    gone = f"gauge_live*_{identity}.db", f"{identity}{GAUGES}", f"*.{identity}.tmp"
    for path in chain.from_iterable(map(folder.glob, gone)):
        remove(path)
