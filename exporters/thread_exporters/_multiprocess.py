"""What one process of several adds to the metrics page of all: files in PROMETHEUS_MULTIPROC_DIR.

prometheus_client's MultiProcessCollector adds up what it finds there. Its own metrics are changed in place, in files
mapped into memory, and a full disk kills the process that writes to such a file. Files of ours are written anew at each
export and put in the place of the last ones, so that whoever reads them finds numbers of one moment, and where the
disk is full those of the last time.

Counters of a process that has ended stay. Its gauges have to go, even if it was killed. So each process holds a lock
on a file of its own for as long as it lives, and each looks after the files that nobody holds.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from struct import Struct
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.mmap_dict import mmap_key
from prometheus_client.multiprocess import MultiProcessCollector

from thread.telemetry import Snapshot

from ._encodable import encodable
from ._families import edges
from ._metrics import METRICS, HistogramMetric, NumberMetric
from ._points import Attributes

VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"

_HEADER: Final = Struct("i4x")
_LENGTH: Final = Struct("i")
_VALUE: Final = Struct("dd")


class ProcessFiles:
    """Those of this process in a folder. Not thread-safe.

    Raises ValueError if there is no such folder, or it cannot be written to.
    """

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        self._entries: dict[tuple[str, Attributes], list[bytes]] = {}
        self._lock: _LockFile | None = None
        self._begin()

    def _begin(self) -> None:
        # A later process may have the same number, and begins to count from zero.
        self._identity = f"thread-{os.getpid()}-{time.time_ns():x}"
        try:
            self._lock = _LockFile(self._folder, self._identity)
        except OSError as error:
            raise ValueError(
                f"{VARIABLE}: expected a folder that can be written to, got {str(self._folder)!r}: {error.strerror}"
            ) from error

    def registry(self) -> CollectorRegistry:
        """What all processes have written, as a registry."""
        registry = CollectorRegistry()
        MultiProcessCollector(registry, str(self._folder))  # type: ignore[no-untyped-call]
        return registry

    def write(self, snapshot: Snapshot) -> None:
        """Replace the numbers of this process, and remove gauges of processes that are gone.

        Raises OSError where they cannot be written; those of the last time remain then.
        """
        for stem, entries in self._contents(snapshot).items():
            self._replace(stem, b"".join(entries))
        self._remove_the_dead()

    def close(self) -> None:
        """Take the gauges back, as the process is about to end."""
        _remove_gauges(self._folder, self._identity)
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.remove()

    def after_fork_in_child(self) -> None:
        """Begin files of its own. Raises ValueError if that cannot be done any more."""
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.forget()
        self._begin()

    def _contents(self, snapshot: Snapshot) -> dict[str, list[bytes]]:
        contents: dict[str, list[bytes]] = {}
        for metric in METRICS:
            entries = contents.setdefault(_stem(metric), [])
            if isinstance(metric, HistogramMetric):
                for attributes, histogram in metric.read(snapshot):
                    counts = [sum(histogram.buckets[first : last + 1]) for first, last in metric.buckets]
                    entries += self._written(metric, attributes, [*counts, histogram.sum])
            else:
                for attributes, number in metric.read(snapshot):
                    entries += self._written(metric, attributes, [number])
            # Other threads may have the GIL.
            time.sleep(0)
        return contents

    def _written(
        self, metric: NumberMetric | HistogramMetric, attributes: Attributes, numbers: list[float]
    ) -> Iterator[bytes]:
        keys = self._entries.get((metric.name, attributes))
        if keys is None:
            keys = self._entries[metric.name, attributes] = [_padded(key) for key in _keys(metric, attributes)]
        return chain.from_iterable(zip(keys, [_VALUE.pack(number, 0.0) for number in numbers]))

    def _replace(self, stem: str, entries: bytes) -> None:
        path = self._folder / f"{stem}_{self._identity}.db"
        beside = path.with_suffix(".tmp")
        try:
            beside.write_bytes(_HEADER.pack(_HEADER.size + len(entries)) + entries)
            beside.replace(path)
        except OSError as error:
            _remove(beside)
            raise OSError(
                error.errno,
                f"{error.strerror}; the metrics of this process stay as they were until it can be written",
                str(path),
            ) from error

    def _remove_the_dead(self) -> None:
        for lock in self._folder.glob("thread-*.lock"):
            if lock.stem != self._identity and _LockFile.is_free(lock):
                _remove_gauges(self._folder, lock.stem)
                _remove(lock)


class _LockFile:
    """A file that is locked while this process lives, whatever ends it. A forked child does not have the lock."""

    def __init__(self, folder: Path, identity: str) -> None:
        import fcntl

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
        _remove(self._path)
        self.forget()

    def forget(self) -> None:
        os.close(self._descriptor)

    @staticmethod
    def is_free(path: Path) -> bool:
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


def _remove_gauges(folder: Path, identity: str) -> None:
    # What begins with `live` may be missing when it is read.
    for path in chain(folder.glob(f"gauge_live*_{identity}.db"), folder.glob(f"*_{identity}.tmp")):
        _remove(path)


def _remove(path: Path) -> None:
    # Another process may have been faster, or the file is that of another user.
    with suppress(OSError):
        path.unlink()


def _stem(metric: NumberMetric | HistogramMetric) -> str:
    if isinstance(metric, HistogramMetric) or metric.instrument == "counter":
        return metric.instrument
    return f"gauge_live{metric.across_processes}"


def _keys(metric: NumberMetric | HistogramMetric, attributes: Attributes) -> Iterator[str]:
    labels = dict(zip(metric.prometheus_labels, (encodable(str(value)) for value in attributes)))
    name, description = metric.prometheus_name, metric.description
    if isinstance(metric, HistogramMetric):
        for edge in edges(metric):
            yield mmap_key(name, f"{name}_bucket", [*labels, "le"], [*labels.values(), edge], description)
        yield mmap_key(name, f"{name}_sum", [*labels], [*labels.values()], description)
    else:
        yield mmap_key(name.removesuffix("_total"), name, [*labels], [*labels.values()], description)


def _padded(key: str) -> bytes:
    encoded = key.encode()
    padding = b" " * (8 - (len(encoded) + _LENGTH.size) % 8)
    return _LENGTH.pack(len(encoded)) + encoded + padding
