"""What a metrics page is made of, whether it comes from a snapshot or from what several processes wrote."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from thread.telemetry import Histogram, Snapshot

from ..._schema.exemplars import Exemplar, Exemplars
from ..._schema.metrics import HistogramMetric, NumberMetric
from ..._schema.points import Attributes

NumberSource: TypeAlias = Callable[[NumberMetric], Iterable[tuple[Attributes, float]]]
HistogramSource: TypeAlias = Callable[[HistogramMetric], Iterable[tuple[Attributes, Histogram]]]


@dataclass(frozen=True, slots=True)
class Samples:
    """The series of all metrics at one moment."""

    began_at: float
    """When all counters were zero, in Unix seconds; 0 if nobody knows."""
    numbers: NumberSource
    histograms: HistogramSource
    exemplars: Callable[[str, Attributes], Mapping[int, Exemplar]]
    """Those of a series of the metric of that name, by the index of the samples bucket."""


def samples_of_process(snapshot: Snapshot, exemplars: Exemplars) -> Samples:
    """That of this process."""
    return Samples(
        snapshot.began_at,
        lambda metric: metric.read(snapshot),
        lambda metric: metric.read(snapshot),
        exemplars.of,
    )
