"""Exemplars of wait histograms: for each bucket of a lock, a recent slow wait and the span that had to wait."""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from thread.telemetry import Event, Histogram, SlowWait

from .points import Attributes

_METRIC: Final = "python.lock.wait.duration"

_NONE: Final[Mapping[int, Exemplar]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Exemplar:
    """A wait that represents its bucket."""

    value: float
    """Duration of the wait in seconds."""
    at: float
    """End of the wait in seconds since the Unix epoch."""
    trace_id: int
    span_id: int

    @property
    def labels(self) -> dict[str, str]:
        """Identifiers in the form of OpenMetrics, sorted by name."""
        return {"span_id": f"{self.span_id:016x}", "trace_id": f"{self.trace_id:032x}"}


class Exemplars:
    """The latest exemplars of the `capacity` locks that were slow most recently.

    Waits outside a sampled span are ignored, because there is no trace to look at. Safe to use from any thread.
    """

    def __init__(self, capacity: int = 1000) -> None:
        self._capacity = capacity
        # Its values are replaced and never changed, because other threads read them meanwhile.
        self._locks: OrderedDict[Attributes, Mapping[int, Exemplar]] = OrderedDict()

    def observe(self, events: Iterable[Event]) -> None:
        """Keep the slow waits among these events, which come oldest first."""
        for event in events:
            if isinstance(event, SlowWait) and event.span is not None and event.span.is_sampled:
                lock = event.lock, event.kind
                bucket = bisect_left(Histogram.bounds, event.duration)
                exemplar = Exemplar(
                    event.duration, event.started_at + event.duration, event.span.trace_id, event.span.span_id
                )
                self._locks[lock] = {**self._locks.get(lock, _NONE), bucket: exemplar}
                self._locks.move_to_end(lock)
                if len(self._locks) > self._capacity:
                    self._locks.popitem(last=False)

    def of(self, metric: str, attributes: Attributes) -> Mapping[int, Exemplar]:
        """Return the exemplars of one series of a metric, by the index of their recorded bucket."""
        return exemplars_of(self._locks, metric, attributes)

    def items(self) -> list[tuple[Attributes, Mapping[int, Exemplar]]]:
        """Return the exemplars of all locks, by the attribute values of their series."""
        return list(self._locks.items())

    def clear(self) -> None:
        """Forget everything. A forked child must."""
        self._locks.clear()


def exemplars_of(
    locks: Mapping[Attributes, Mapping[int, Exemplar]], metric: str, attributes: Attributes
) -> Mapping[int, Exemplar]:
    """Pick the exemplars of one series of a metric from those of all locks."""
    return locks.get(attributes, _NONE) if metric == _METRIC else _NONE


def latest(exemplars: Mapping[int, Exemplar], first: int, last: int) -> Exemplar | None:
    """Return the latest exemplar in the recorded buckets from `first` to `last`, both included."""
    if not exemplars:
        return None
    among = [exemplar for bucket, exemplar in exemplars.items() if first <= bucket <= last]
    return max(among, key=lambda exemplar: exemplar.at, default=None)
