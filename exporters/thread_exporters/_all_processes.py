"""The metrics of all processes that write to one folder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from operator import add
from pathlib import Path
from typing import Final, TypeVar

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.multiprocess import MultiProcessCollector

from thread.telemetry import Histogram

from ._collector import ThreadCollector
from ._exemplars import Exemplar, exemplars_of
from ._metrics import METRICS, HistogramMetric, NumberMetric
from ._numbers_file import COUNTS, GAUGES, Numbers, numbers_in
from ._points import Attributes
from ._recorded import Recorded

Value = TypeVar("Value")

_COMBINED: Final[dict[str, Callable[[float, float], float]]] = {"sum": add, "max": max, "min": min}


class AllProcesses:
    """Reads what they wrote. Safe to use from any thread, and in a forked child.

    The files of processes that have ended are read once, and added up once. No lock guards what is remembered of
    them: it is replaced as a whole, and at worst found out twice.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[Path, tuple[tuple[int, int, int], Numbers]] = {}
        self._ended: tuple[frozenset[Path], Numbers] = (frozenset(), Numbers())

    def recorded(self) -> Recorded:
        """All of it together."""
        names, ended = self._ended
        # Asked first: what is written before the lock is gone is then read for certain.
        files = [(path, path.with_suffix(".lock").exists()) for path in sorted(self._folder.glob(f"thread-*{COUNTS}"))]
        newly = [path for path, lives in files if not lives and path not in names]
        if newly:
            ended = _together([ended, *map(self._numbers, newly)])
            self._ended = names.union(newly), ended
        living = [path for path, lives in files if lives]
        gauges = sorted(self._folder.glob(f"thread-*{GAUGES}"))
        together = _together([ended, *map(self._numbers, [*living, *gauges])])
        self._forget_all_but(living)
        return _as_recorded(together)

    def _numbers(self, path: Path) -> Numbers:
        try:
            status = path.stat()
            stamp = status.st_mtime_ns, status.st_ino, status.st_size
            known = self._read.get(path)
            if known is None or known[0] != stamp:
                known = stamp, numbers_in(path)
                if path.suffix == COUNTS:
                    self._read[path] = known
            return known[1]
        except FileNotFoundError:
            # Gauges of a process that has ended in this moment.
            return Numbers()

    def _forget_all_but(self, living: Sequence[Path]) -> None:
        for path in list(self._read):
            if path not in living:
                self._read.pop(path, None)


@cache
def registry_of_all(folder: str) -> CollectorRegistry:
    """What all processes wrote there, by this package or with prometheus_client, as a registry.

    Raises ValueError if there is no such folder.
    """
    if not Path(folder).is_dir():
        raise ValueError(f"expected a folder, got {folder!r}")
    registry = CollectorRegistry()
    registry.register(_Others(Path(folder)))
    ThreadCollector(AllProcesses(Path(folder)).recorded).register(registry)
    return registry


class _Others:
    """The metrics that were made with prometheus_client."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterator[Metric]:
        files = [str(path) for path in self._folder.glob("*.db") if "_thread-" not in path.name]
        merged: Iterable[Metric] = MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]
        return iter(merged)


def _together(parts: Iterable[Numbers]) -> Numbers:
    total = Numbers()
    for part in parts:
        began = [at for at in (total.began_at, part.began_at) if at]
        total.began_at = min(began, default=0.0)
        for metric in METRICS:
            if isinstance(metric, HistogramMetric):
                _add(total.histograms, part.histograms, metric, _sum_of_distributions)
            else:
                _add(total.numbers, part.numbers, metric, _COMBINED[metric.across_processes])
        for attributes, found in part.exemplars.items():
            total.exemplars[attributes] = _latest_of(total.exemplars.get(attributes, {}), found)
    return total


def _add(
    total: dict[str, dict[Attributes, Value]],
    part: dict[str, dict[Attributes, Value]],
    metric: NumberMetric | HistogramMetric,
    combined: Callable[[Value, Value], Value],
) -> None:
    series = total.setdefault(metric.name, {})
    for attributes, value in part.get(metric.name, {}).items():
        series[attributes] = combined(series[attributes], value) if attributes in series else value


def _sum_of_distributions(
    one: tuple[float, tuple[int, ...]], other: tuple[float, tuple[int, ...]]
) -> tuple[float, tuple[int, ...]]:
    return one[0] + other[0], tuple(map(add, one[1], other[1]))


def _latest_of(one: Mapping[int, Exemplar], other: Mapping[int, Exemplar]) -> Mapping[int, Exemplar]:
    return dict(sorted([*one.items(), *other.items()], key=lambda item: item[1].at))


def _as_recorded(all_of_it: Numbers) -> Recorded:
    def histograms(metric: HistogramMetric) -> Iterator[tuple[Attributes, Histogram]]:
        for attributes, (total, buckets) in all_of_it.histograms[metric.name].items():
            # No page shows the maximum, so none is written.
            yield attributes, Histogram(sum(buckets), total, 0.0, buckets)

    return Recorded(
        all_of_it.began_at,
        lambda metric: all_of_it.numbers[metric.name].items(),
        histograms,
        partial(exemplars_of, all_of_it.exemplars),
    )
