"""The shop in several processes, under load, scraped by a Prometheus every second."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from prometheus_folder import prometheus_folder
from prometheus_server import Prometheus, running_prometheus
from shop_workers import ShopWorkers, customers, running_shop_workers


@dataclass
class ObservedShop:
    shop: ShopWorkers
    prometheus: Prometheus

    def is_scraped(self) -> bool:
        return [target["health"] for target in self.prometheus.targets()] == ["up"]


@contextmanager
def observed_shop(folder: Path) -> Iterator[ObservedShop]:
    with running_shop_workers(folder) as shop, customers(shop.url):
        configuration = prometheus_folder(folder, [f"127.0.0.1:{shop.metrics_port}"])
        with running_prometheus(configuration) as prometheus:
            yield ObservedShop(shop, prometheus)
