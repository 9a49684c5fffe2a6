"""For each bucket of a lock's wait histogram, a recent slow wait that fell into it, and the span that had to wait."""

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
    """One wait that stands for those of its bucket."""

    value: float
    """How long it took, in seconds."""
    at: float
    """When it ended, in seconds since the Unix epoch."""
    trace_id: int
    span_id: int

    @property
    def labels(self) -> dict[str, str]:
        """The identifiers as OpenMetrics has them, in the order of their names."""
        return {"span_id": f"{self.span_id:016x}", "trace_id": f"{self.trace_id:032x}"}


class Exemplars:
    """Keeps the latest exemplars of at most `capacity` locks, of those that were slow last.

    A wait outside a sampled span is none: there would be no trace to look at. Safe to use from any thread.
    """

    def __init__(self, capacity: int = 1000) -> None:
        self._capacity = capacity
        # What is in it is replaced, never changed: it is read while it is written.
        self._locks: OrderedDict[Attributes, Mapping[int, Exemplar]] = OrderedDict()

    def observe(self, events: Iterable[Event]) -> None:
        """Take what is of use from events, given oldest first."""
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
        """The exemplars of one series of a metric, by the index of the recorded bucket that each belongs to."""
        return exemplars_of(self._locks, metric, attributes)

    def items(self) -> list[tuple[Attributes, Mapping[int, Exemplar]]]:
        """Those of all locks, by the attribute values of their series."""
        return list(self._locks.items())

    def clear(self) -> None:
        """Forget all, as a forked child has to."""
        self._locks.clear()


def exemplars_of(
    locks: Mapping[Attributes, Mapping[int, Exemplar]], metric: str, attributes: Attributes
) -> Mapping[int, Exemplar]:
    """Those of one series of a metric, out of those of all locks."""
    return locks.get(attributes, _NONE) if metric == _METRIC else _NONE


def latest(exemplars: Mapping[int, Exemplar], first: int, last: int) -> Exemplar | None:
    """The latest exemplar of the recorded buckets from `first` to `last`, both included."""
    if not exemplars:
        return None
    among = [exemplar for bucket, exemplar in exemplars.items() if first <= bucket <= last]
    return max(among, key=lambda exemplar: exemplar.at, default=None)
