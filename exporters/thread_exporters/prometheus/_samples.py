"""What a metrics page is made of, whether it comes from a snapshot or from what several processes wrote."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from thread.telemetry import Histogram, Snapshot

from .._schema.exemplars import Exemplar, Exemplars
from .._schema.metrics import HistogramMetric, NumberMetric
from .._schema.points import Attributes

Numbers: TypeAlias = Callable[[NumberMetric], Iterable[tuple[Attributes, float]]]
Histograms: TypeAlias = Callable[[HistogramMetric], Iterable[tuple[Attributes, Histogram]]]


@dataclass(frozen=True, slots=True)
class Recorded:
    """The series of all metrics at one moment."""

    began_at: float
    """When all counters were zero, in Unix seconds; 0 if nobody knows."""
    numbers: Numbers
    histograms: Histograms
    exemplars: Callable[[str, Attributes], Mapping[int, Exemplar]]
    """Those of a series of the metric of that name, by the index of the recorded bucket."""


def recorded_here(snapshot: Snapshot, exemplars: Exemplars) -> Recorded:
    """That of this process."""
    return Recorded(
        snapshot.began_at,
        lambda metric: metric.read(snapshot),
        lambda metric: metric.read(snapshot),
        exemplars.of,
    )
