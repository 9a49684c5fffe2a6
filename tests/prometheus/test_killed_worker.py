"""A worker that is killed while Prometheus scrapes: nothing that was counted is lost, and nothing is counted twice."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from conftest import WaitUntil
from prometheus_folder import prometheus_folder
from prometheus_server import Prometheus, Sample, running_prometheus
from shop_workers import ShopWorkers, customers, running_shop_workers
from thread_exporters._metrics import METRICS

pytestmark = [pytest.mark.prometheus, pytest.mark.timeout(300)]

def counters() -> list[str]:
    """The names of all series that may only grow."""
    parts = {"counter": ("",), "histogram": ("_bucket", "_count", "_sum")}
    return [metric.prometheus_name + part for metric in METRICS for part in parts.get(metric.instrument, ())]


def falls(prometheus: Prometheus) -> list[tuple[str, Sample]]:
    """The series that fell since the beginning. To Prometheus each fall is a restart from zero."""
    return [(name, sample) for name in counters() for sample in prometheus.query(f"resets({name}[10m]) > 0")]


def lookups(prometheus: Prometheus) -> float:
    return prometheus.value('sum(python_lock_acquisitions_total{python_lock_name="shop.cache:Cache._guard"})')


def kill_one(shop: ShopWorkers) -> int:
    victim = shop.workers()[0]
    os.kill(victim, signal.SIGKILL)
    return victim


def test_totals_never_go_backwards_when_workers_are_killed(tmp_path: Path, wait_until: WaitUntil) -> None:
    with running_shop_workers(tmp_path) as shop, customers(shop.url):
        folder = prometheus_folder(tmp_path, [f"127.0.0.1:{shop.metrics_port}"])
        with running_prometheus(folder) as prometheus:
            wait_until(lambda: lookups(prometheus) > 50, 60)
            for _ in range(3):
                before = lookups(prometheus)
                victim = kill_one(shop)
                wait_until(lambda: victim not in shop.workers() and len(shop.workers()) == 2, 60)
                wait_until(lambda: lookups(prometheus) > before + 50, 60)
            assert falls(prometheus) == []
