"""A registry of prometheus_client with the metrics of all processes that write to one folder."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.multiprocess import MultiProcessCollector

from .._format.collector import ThreadCollector
from .aggregate import AllProcesses, all_processes
from .folder import Folder
from .mmap_format import is_whole


def registry_of_all(folder: str) -> CollectorRegistry:
    """Return a registry of everything that processes wrote to a folder, with this package or with prometheus_client.

    Raises ValueError if there is no such folder.
    """
    return _registry_of(os.path.abspath(folder))


@cache
def _registry_of(path: str) -> CollectorRegistry:
    processes = all_processes(path)
    registry = CollectorRegistry()
    registry.register(_Others(processes, Folder(path)))
    ThreadCollector(processes.samples).register(registry)
    return registry


class _Others:
    """The metrics of the program itself, written by prometheus_client."""

    def __init__(self, processes: AllProcesses, folder: Folder) -> None:
        self._processes = processes
        self._folder = folder

    def collect(self) -> Iterator[Metric]:
        names = [name for name in self._folder.names() if name.endswith(".db") and "_thread-" not in name]
        paths = [str(self._folder.path / name) for name in sorted(names) if self._is_whole(name)]
        try:
            return iter(_merged(paths))
        except Exception:
            # The name of one of the files gives the wrong type.
            return iter(_merged([path for path in paths if self._can_be_merged(path)]))

    def _is_whole(self, name: str) -> bool:
        try:
            content = self._folder.read(name)
            if is_whole(content) or not content:
                # An empty file has just been created.
                return bool(content)
            reason = "it is not a file of prometheus_client"
        except FileNotFoundError:
            return False
        except OSError as error:
            reason = str(error.strerror or error)
        self._processes.leave_out(name, reason)
        return False

    def _can_be_merged(self, path: str) -> bool:
        try:
            for metric in _merged([path]):
                assert metric.samples is not None
        except Exception as error:
            self._processes.leave_out(os.path.basename(path), f"{type(error).__name__}: {str(error)[:100]!a}")
            return False
        return True


def _merged(paths: list[str]) -> Iterable[Metric]:
    merged: Any = MultiProcessCollector.merge(paths)  # type: ignore[no-untyped-call]
    return list(merged)
