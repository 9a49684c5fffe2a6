"""The samples on a metrics page, whether they come from a snapshot or from the files of several processes."""

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
    """Unix time when all counters were zero; 0 if unknown."""
    numbers: NumberSource
    histograms: HistogramSource
    exemplars: Callable[[str, Attributes], Mapping[int, Exemplar]]
    """Function that returns the exemplars of a series, by the index of the recorded bucket."""


def samples_of_process(snapshot: Snapshot, exemplars: Exemplars) -> Samples:
    """Take the samples of this process."""
    return Samples(
        snapshot.began_at,
        lambda metric: metric.read(snapshot),
        lambda metric: metric.read(snapshot),
        exemplars.of,
    )
