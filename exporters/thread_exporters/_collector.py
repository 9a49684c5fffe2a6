"""What a registry of prometheus_client collects from: the latest snapshot."""

from __future__ import annotations

import os
from _thread import get_ident
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from weakref import WeakKeyDictionary

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from thread import telemetry
from thread.telemetry import Snapshot

from ._exemplars import Exemplars
from ._exposition import Encoder, Exposition
from ._families import family
from ._metrics import METRICS

_MAX_FORMATS: Final = 4
"""Formats that are remembered. They differ by what the client asks for, which may be anything."""


class ThreadCollector:
    """The metrics of `thread.telemetry`, one at most for each registry. Safe to use from any thread."""

    def __init__(self) -> None:
        self.exemplars = Exemplars()
        self._expositions: dict[str, Exposition] = {}
        self._left_out_by: set[int] = set()

    def register(self, registry: CollectorRegistry) -> None:
        """Be collected from. Raises ValueError if the registry has these metrics."""
        registry.register(self)
        _collectors[registry] = self

    def unregister(self, registry: CollectorRegistry) -> None:
        """No longer be collected from. A second call does nothing."""
        if _collectors.get(registry) is self:
            del _collectors[registry]
            registry.unregister(self)

    def describe(self) -> Iterator[Metric]:
        """The families without series, from which a registry learns their names."""
        return (family(metric, Snapshot(taken_at=0.0), self.exemplars, None) for metric in METRICS)

    def collect(self) -> Iterator[Metric]:
        """The families of one snapshot, each made when it is asked for, so that only one is held at a time."""
        if get_ident() in self._left_out_by:
            return iter(())
        snapshot = telemetry.snapshot()
        created = created_at(snapshot)
        return (family(metric, snapshot, self.exemplars, created) for metric in METRICS)

    @contextmanager
    def left_out(self) -> Iterator[None]:
        """What this thread collects meanwhile is without these metrics."""
        ident = get_ident()
        self._left_out_by.add(ident)
        try:
            yield
        finally:
            self._left_out_by.discard(ident)

    def text(self, encoder: Encoder, content_type: str) -> Iterator[bytes]:
        """What the encoder would make of these metrics, piece by piece, but not what ends a page."""
        snapshot = telemetry.snapshot()
        exposition = self._expositions.get(content_type)
        if exposition is None:
            is_openmetrics = content_type.startswith("application/openmetrics-text")
            exposition = Exposition(
                encoder,
                # The other formats have no place for these: they would be series of their own there.
                created_at(snapshot) if is_openmetrics else None,
                self.exemplars if is_openmetrics else None,
            )
            if len(self._expositions) >= _MAX_FORMATS:
                self._expositions.clear()
            self._expositions[content_type] = exposition
        return exposition.parts(snapshot)

    def after_fork_in_child(self) -> None:
        """Forget what happened in the parent."""
        self.exemplars.clear()
        self._expositions.clear()


_collectors: WeakKeyDictionary[CollectorRegistry, ThreadCollector] = WeakKeyDictionary()


def collector_of(registry: CollectorRegistry) -> ThreadCollector | None:
    """The one that is registered there."""
    return _collectors.get(registry)


def created_at(snapshot: Snapshot) -> float | None:
    """When all counters were zero, in seconds since the Unix epoch, None where nobody wants to know."""
    # The variable is that of prometheus_client, for its own metrics.
    unwanted = os.environ.get("PROMETHEUS_DISABLE_CREATED_SERIES", "").lower() in ("true", "1", "t")
    return None if unwanted else snapshot.began_at or None
