"""What a registry of prometheus_client collects from: the metrics of this process, or of several."""

from __future__ import annotations

import os
from _thread import get_ident
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final
from weakref import WeakKeyDictionary

from prometheus_client import CollectorRegistry, metrics
from prometheus_client.core import Metric

from ..._schema.metrics import METRICS
from .exposition import Encoder, Exposition
from .families import empty_family, family
from .samples import Samples

_MAX_FORMATS: Final = 4
"""Formats that are remembered. They differ by what the client asks for, which may be anything."""


class ThreadCollector:
    """The metrics of `thread.telemetry`, one at most for each registry. Safe to use from any thread.

    `read` gives what there is to be seen at the moment.
    """

    def __init__(self, read: Callable[[], Samples]) -> None:
        self._read = read
        self._expositions: dict[tuple[str, float | None], Exposition] = {}
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
        return map(empty_family, METRICS)

    def collect(self) -> Iterator[Metric]:
        """The families as they are now, each made when it is asked for, so that only one is held at a time."""
        if get_ident() in self._left_out_by:
            return iter(())
        samples = self._read()
        created = _created(samples)
        return (family(metric, samples, created) for metric in METRICS)

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
        samples = self._read()
        # Only this format has a place for these two: `created` would be series of their own elsewhere.
        is_openmetrics = content_type.startswith("application/openmetrics-text")
        created = _created(samples) if is_openmetrics else None
        exposition = self._expositions.get((content_type, created))
        if exposition is None:
            exposition = Exposition(encoder, created, with_exemplars=is_openmetrics)
            if len(self._expositions) >= _MAX_FORMATS:
                self._expositions.clear()
            self._expositions[content_type, created] = exposition
        return exposition.parts(samples)


_collectors: WeakKeyDictionary[CollectorRegistry, ThreadCollector] = WeakKeyDictionary()


def collector_of(registry: CollectorRegistry) -> ThreadCollector | None:
    """The one that is registered there."""
    return _collectors.get(registry)


def _created(samples: Samples) -> float | None:
    return samples.began_at or None if _wants_created() else None


def _wants_created() -> bool:
    # Both ways are those of prometheus_client for its own metrics. It gives no other way to ask for the second.
    if os.environ.get("PROMETHEUS_DISABLE_CREATED_SERIES", "").lower() in ("true", "1", "t"):
        return False
    return bool(getattr(metrics, "_use_created", True))
