"""If a worker is killed while Prometheus scrapes, no counts are lost and nothing is counted twice."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from conftest import WaitUntil
from observed_shop import ObservedShop, observed_shop
from prometheus_server import Prometheus, Sample

from thread_exporters._schema.metrics import METRICS

pytestmark = [pytest.mark.prometheus, pytest.mark.timeout(300)]


def counters() -> list[str]:
    """Return the names of all series that may only grow."""
    parts = {"counter": ("",), "histogram": ("_bucket", "_count", "_sum")}
    return [metric.prometheus_name + part for metric in METRICS for part in parts.get(metric.instrument, ())]


def falls(prometheus: Prometheus) -> list[tuple[str, Sample]]:
    """Return the series that have ever fallen. To Prometheus, each fall is a restart from zero."""
    return [(name, sample) for name in counters() for sample in prometheus.query(f"resets({name}[10m]) > 0")]


def lookups(prometheus: Prometheus) -> float:
    return prometheus.value('sum(python_lock_acquisitions_total{python_lock_name="shop.cache:Cache._guard"})')


def kill_one(observed: ObservedShop, wait_until: WaitUntil) -> None:
    """Kill a worker, and wait until another one has replaced it and served some pages."""
    before = lookups(observed.prometheus)
    victim = observed.shop.workers()[0]
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: victim not in observed.shop.workers() and len(observed.shop.workers()) == 2, 60)
    wait_until(lambda: lookups(observed.prometheus) > before + 50, 60)


def test_totals_never_go_backwards_when_workers_are_killed(tmp_path: Path, wait_until: WaitUntil) -> None:
    with observed_shop(tmp_path) as observed:
        wait_until(lambda: lookups(observed.prometheus) > 50, 60)
        for _ in range(3):
            kill_one(observed, wait_until)
        assert falls(observed.prometheus) == []
