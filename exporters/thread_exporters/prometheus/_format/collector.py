"""The collector that prometheus_client's registries ask for our metrics, whether of this process or of several."""

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
"""Maximum number of cached formats. Clients may ask for any."""


class ThreadCollector:
    """A collector of the metrics of `thread.telemetry`, at most one per registry. Safe to use from any thread.

    `read` returns the current samples.
    """

    def __init__(self, read: Callable[[], Samples]) -> None:
        self._read = read
        self._expositions: dict[tuple[str, float | None], Exposition] = {}
        self._left_out_by: set[int] = set()

    def register(self, registry: CollectorRegistry) -> None:
        """Add this collector to a registry. Raises ValueError if the registry already has these metrics."""
        registry.register(self)
        _collectors[registry] = self

    def unregister(self, registry: CollectorRegistry) -> None:
        """Remove this collector from a registry. A second call does nothing."""
        if _collectors.get(registry) is self:
            del _collectors[registry]
            registry.unregister(self)

    def describe(self) -> Iterator[Metric]:
        """Yield the families without series, so that a registry learns their names."""
        return map(empty_family, METRICS)

    def collect(self) -> Iterator[Metric]:
        """Yield the families. Each is made on demand, so that only one is in memory at a time."""
        if get_ident() in self._left_out_by:
            return iter(())
        samples = self._read()
        created = _created(samples)
        return (family(metric, samples, created) for metric in METRICS)

    @contextmanager
    def left_out(self) -> Iterator[None]:
        """Leave these metrics out of anything that this thread collects meanwhile."""
        ident = get_ident()
        self._left_out_by.add(ident)
        try:
            yield
        finally:
            self._left_out_by.discard(ident)

    def text(self, encoder: Encoder, content_type: str) -> Iterator[bytes]:
        """Yield the text that the encoder would write for these metrics, without the end of the page."""
        samples = self._read()
        # Only this format has a place for exemplars and `created`. Elsewhere, `created` would be a separate series.
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
    """Return our collector in a registry. None if there is none."""
    return _collectors.get(registry)


def _created(samples: Samples) -> float | None:
    return samples.began_at or None if _wants_created() else None


def _wants_created() -> bool:
    # prometheus_client has these two switches for its own metrics. The second has no public getter.
    if os.environ.get("PROMETHEUS_DISABLE_CREATED_SERIES", "").lower() in ("true", "1", "t"):
        return False
    return bool(getattr(metrics, "_use_created", True))
