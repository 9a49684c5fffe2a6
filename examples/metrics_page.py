"""Highlights of a metrics page, few enough to follow while they change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families


@dataclass(frozen=True, slots=True)
class Sample:
    labels: Mapping[str, str]
    value: float


class MetricsPage:
    """One reading of `/metrics`."""

    def __init__(self, text: str) -> None:
        self._samples: dict[str, list[Sample]] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                self._samples.setdefault(sample.name, []).append(Sample(sample.labels, sample.value))

    def total(self, metric: str, **labels: str) -> float:
        """Add up all series of a metric with these labels."""
        return sum(sample.value for sample in self._samples.get(metric, ()) if labels.items() <= sample.labels.items())

    def highlights(self) -> list[str]:
        """Summarize the lock with the most waiting, the threads, and the exceptions that ended some of them."""
        return [*self._hottest_lock(), *self._threads()]

    def _hottest_lock(self) -> list[str]:
        waits = self._samples.get("python_lock_wait_duration_seconds_sum", [])
        if not waits:
            return ["no thread has waited for a lock yet"]
        hottest = max(waits, key=lambda sample: sample.value)
        name = hottest.labels["python_lock_name"]
        contentions, acquisitions, waiters = (
            self.total(metric, python_lock_name=name)
            for metric in ("python_lock_contentions_total", "python_lock_acquisitions_total", "python_lock_waiters")
        )
        return [
            f"{name}: waited for {hottest.value:.1f} s in total,"
            f" by {contentions:,.0f} of {acquisitions:,.0f} acquisitions; {waiters:.0f} waiting now"
        ]

    def _threads(self) -> list[str]:
        running = self.total("python_thread_count")
        started = self.total("python_thread_started_total")
        ended_by = [
            f"{sample.value:.0f} ended by {sample.labels['error_type']} in {sample.labels['python_thread_target']}"
            for sample in self._samples.get("python_thread_unhandled_exceptions_total", ())
        ]
        return ["threads: " + ", ".join([f"{running:.0f} running of {started:.0f} started", *ended_by])]
