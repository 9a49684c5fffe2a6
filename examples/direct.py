"""Direct use of `import thread`: a program that finds files with the same content.

    python examples/direct.py ~/Pictures

Threads of the `thread` module read the files, and `telemetry.snapshot()` returns the observations.
It needs only thread-telemetry, no exporter and no `threading`.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import queue
import sys
from collections.abc import Iterator
from itertools import islice

import thread
from thread import telemetry


class DuplicateFinder:
    """Threads that share one walk through the folders and one table of results."""

    def __init__(self, folder: str, limit: int) -> None:
        self.paths_of: dict[bytes, list[str]] = {}
        self.unreadable = 0
        # Names of our own choice. Without them, the locks would be named after the place that makes them.
        self._walk_guard = thread.allocate_lock(name="walk through the folders")
        self._table_guard = thread.allocate_lock(name="table of digests")
        self._walk = islice(files_below(folder), limit)
        self._ended: queue.SimpleQueue[None] = queue.SimpleQueue()

    def run(self, threads: int) -> None:
        """Read all files."""
        for _ in range(threads):
            thread.start_new_thread(self._read_files, (), name="reader")
        for _ in range(threads):
            self._ended.get()

    def _read_files(self) -> None:
        try:
            while (path := self._next_path()) is not None:
                try:
                    with open(path, "rb") as file:
                        digest = hashlib.file_digest(file, "sha256").digest()
                except OSError:
                    digest = None
                with self._table_guard:
                    if digest is None:
                        self.unreadable += 1
                    else:
                        self.paths_of.setdefault(digest, []).append(path)
        finally:
            self._ended.put(None)

    def _next_path(self) -> str | None:
        # A generator runs in one thread at a time, and this one sometimes reads a folder. A thread that wants the next
        # path meanwhile has to wait, and the table below shows how long.
        with self._walk_guard:
            return next(self._walk, None)


def files_below(folder: str) -> Iterator[str]:
    """Yield the paths of all regular files."""
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(parent, name)
            if os.path.isfile(path) and not os.path.islink(path):
                yield path


def print_observations() -> None:
    """Print a summary of the recorded data."""
    snapshot = telemetry.snapshot()
    print(f"\n{'lock':26} {'acquired':>9} {'contended':>9} {'waited':>10} {'p99':>10}")
    for lock in snapshot.locks:
        waited, p99 = (f"{seconds * 1000:.2f} ms" for seconds in (lock.wait.sum, lock.wait.quantile(0.99)))
        print(f"{lock.name:26} {lock.acquisitions:9,} {lock.contentions:9,} {waited:>10} {p99:>10}")
    for wait in sorted(snapshot.waits, key=lambda wait: -wait.time)[:3]:
        print(f"\n{wait.time * 1000:.2f} ms at {wait.acquire_site}\n   while the owner was at {wait.owner_site}")
    for threads in snapshot.threads:
        print(f"\n{threads.started} threads {threads.target!r}, {threads.cpu_time:.2f} s of CPU time")


def main() -> int:
    parser = argparse.ArgumentParser(description="Finds files that have the same content.")
    parser.add_argument(
        "folder", nargs="?", default=os.path.dirname(os.__file__), help="folder to search (default: %(default)s)"
    )
    parser.add_argument("--limit", type=int, default=5000, help="maximum number of files (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=4, help="number of threads (default: %(default)s)")
    options = parser.parse_args()
    if options.limit < 1 or options.threads < 1:
        parser.error("--limit and --threads: expected a whole number above 0")
    finder = DuplicateFinder(options.folder, options.limit)
    finder.run(options.threads)
    read = sum(len(paths) for paths in finder.paths_of.values())
    twins = read - len(finder.paths_of)
    print(f"{read} files read, {twins} of them duplicates of another; {finder.unreadable} could not be read")
    print_observations()
    return 0


if __name__ == "__main__":
    sys.exit(main())
