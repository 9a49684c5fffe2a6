"""Observable instruments for the metrics that are single numbers, on a meter provider of the application."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Final

from opentelemetry.metrics import CallbackOptions, Meter, MeterProvider, Observation

from thread import telemetry
from thread.telemetry import Snapshot, monotonic

from .._schema.encodable import series_attributes
from .._schema.metrics import METRICS, NumberMetric
from . import scope

_log: Final = logging.getLogger("thread.telemetry")

SHARED_SECONDS: Final = 0.1
"""Seconds for which instruments share a snapshot, because the SDK reads one instrument after another."""


class Observables:
    """Instruments that read `thread.telemetry.snapshot()` whenever they are collected, until `close`.

    The API has no instrument for existing distributions, so histograms are left to the exporters. Safe to use from any
    thread.
    """

    def __init__(self, provider: MeterProvider) -> None:
        self._snapshot: Snapshot | None = None
        self._taken_at = 0.0
        self._is_closed = False
        self._has_failed = False
        meter = provider.get_meter(scope.NAME, scope.VERSION, schema_url=scope.SCHEMA_URL)
        for metric in METRICS:
            if isinstance(metric, NumberMetric):
                self._create(meter, metric)

    def close(self) -> None:
        """Observe nothing from now on. The API has no way to remove an instrument."""
        self._is_closed = True

    def _create(self, meter: Meter, metric: NumberMetric) -> None:
        create: Callable[..., object] = {
            "counter": meter.create_observable_counter,
            "updowncounter": meter.create_observable_up_down_counter,
            "gauge": meter.create_observable_gauge,
        }[metric.instrument]

        def observe(options: CallbackOptions) -> Iterable[Observation]:
            try:
                return [] if self._is_closed else self._observations(metric)
            except Exception:
                # The SDK would log the error for each instrument at each collection.
                if not self._has_failed:
                    self._has_failed = True
                    _log.exception("cannot read the metrics; further failures will not be logged")
                return []

        create(metric.name, [observe], metric.unit, metric.description)

    def _observations(self, metric: NumberMetric) -> list[Observation]:
        with telemetry.hidden():
            return [
                Observation(number, series_attributes(zip(metric.attributes, values)))
                for values, number in metric.read(self._recent_snapshot())
            ]

    def _recent_snapshot(self) -> Snapshot:
        snapshot, now = self._snapshot, monotonic()
        if snapshot is None or now - self._taken_at > SHARED_SECONDS:
            snapshot = self._snapshot = telemetry.snapshot()
            self._taken_at = now
        return snapshot
