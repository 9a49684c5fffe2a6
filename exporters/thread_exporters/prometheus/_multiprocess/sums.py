"""Sums over several processes, with no more series than a single process may have."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache, partial
from operator import add
from time import sleep
from typing import Final, TypeVar

from thread.telemetry import Histogram, monotonic

from ..._schema.attributes import ATTRIBUTES, MOST_SERIES
from ..._schema.exemplars import Exemplar, exemplars_of
from ..._schema.metrics import METRICS, HistogramMetric, NumberMetric
from ..._schema.points import Attributes
from .._format.samples import Samples
from .json_format import FileData

Value = TypeVar("Value")

_COMBINED: Final[dict[str, Callable[[float, float], float]]] = {"sum": add, "max": max, "min": min}
_MOST_SERIES_UNLESS_LISTED: Final = 1000
_TURN: Final = 0.001
"""Seconds after which we offer the GIL to other threads."""
_MOST_EXEMPLARS: Final = 2000
_FIXED: Final = {attribute.name for attribute in ATTRIBUTES if attribute.values}


def added_up(parts: Iterable[FileData]) -> FileData:
    """Add up the numbers of all parts. Beyond the maximum, later series are counted under `other`."""
    total = FileData()
    turn = monotonic()
    for part in parts:
        if monotonic() - turn > _TURN:
            sleep(0)
            turn = monotonic()
        began = [at for at in (total.began_at, part.began_at) if at]
        total.began_at = min(began, default=0.0)
        for metric in METRICS:
            if isinstance(metric, HistogramMetric):
                _add(total.histograms, part.histograms, metric, _sum_of_distributions)
            else:
                _add(total.numbers, part.numbers, metric, _COMBINED[metric.across_processes])
        for attributes, found in part.exemplars.items():
            if attributes in total.exemplars or len(total.exemplars) < _MOST_EXEMPLARS:
                total.exemplars[attributes] = _latest_of(total.exemplars.get(attributes, {}), found)
    return total


def _add(
    total: dict[str, dict[Attributes, Value]],
    part: dict[str, dict[Attributes, Value]],
    metric: NumberMetric | HistogramMetric,
    combined: Callable[[Value, Value], Value],
) -> None:
    series = total.setdefault(metric.name, {})
    most = MOST_SERIES.get(metric.attributes, _MOST_SERIES_UNLESS_LISTED)
    for attributes, value in part.get(metric.name, {}).items():
        if attributes not in series and len(series) >= most:
            attributes = _other(metric.attributes, attributes)
        series[attributes] = combined(series[attributes], value) if attributes in series else value


def _other(names: tuple[str, ...], attributes: Attributes) -> Attributes:
    """Replace attribute values the way the core does beyond its caps, but keep those from a fixed set."""
    return tuple(value if kept else other for value, (kept, other) in zip(attributes, _others(names)))


@cache
def _others(names: tuple[str, ...]) -> tuple[tuple[bool, str | int], ...]:
    def other(name: str) -> str | int:
        if name.endswith("line.number"):
            return 0
        return "" if name.endswith("file.path") else "other"

    return tuple((name in _FIXED, other(name)) for name in names)


def _sum_of_distributions(
    one: tuple[float, tuple[int, ...]], other: tuple[float, tuple[int, ...]]
) -> tuple[float, tuple[int, ...]]:
    return one[0] + other[0], tuple(map(add, one[1], other[1]))


def _latest_of(one: Mapping[int, Exemplar], other: Mapping[int, Exemplar]) -> Mapping[int, Exemplar]:
    return dict(sorted([*one.items(), *other.items()], key=lambda item: item[1].at))


def as_samples(numbers: FileData) -> Samples:
    """Present numbers as samples, from which a page or another file can be made."""

    def histograms(metric: HistogramMetric) -> Iterable[tuple[Attributes, Histogram]]:
        for attributes, (total, buckets) in numbers.histograms[metric.name].items():
            # No page shows the maximum, so the files do not have it.
            yield attributes, Histogram(sum(buckets), total, 0.0, buckets)

    return Samples(
        numbers.began_at,
        lambda metric: numbers.numbers[metric.name].items(),
        histograms,
        partial(exemplars_of, numbers.exemplars),
    )
