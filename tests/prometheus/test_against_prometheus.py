"""What the dashboards and the rules ask, asked of a real Prometheus that scrapes a service of several processes."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
from conftest import WaitUntil
from dashboard_queries import DashboardQuery, dashboard_queries
from observed_shop import ObservedShop, observed_shop
from prometheus_server import promtool

from thread_exporters._metrics import METRICS, HistogramMetric, NumberMetric

pytestmark = [pytest.mark.prometheus, pytest.mark.timeout(300)]

QUERIES = dashboard_queries("shop.cache:Cache._guard", job="shop", rate_interval="20s")


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObservedShop]:
    with observed_shop(tmp_path_factory.mktemp("shop")) as observed:
        yield observed


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_each_metric_is_scraped(
    observed: ObservedShop, wait_until: WaitUntil, metric: NumberMetric | HistogramMetric
) -> None:
    name = metric.prometheus_name + ("_bucket" if isinstance(metric, HistogramMetric) else "")
    wait_until(lambda: observed.prometheus.series(f'{name}{{job="shop"}}'), 60)


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: f"{query.dashboard}: {query.panel}")
def test_each_panel_has_something_to_show(observed: ObservedShop, wait_until: WaitUntil, query: DashboardQuery) -> None:
    def has_a_number() -> bool:
        # NaN is nothing to show: it comes of a share or a quantile of nothing.
        return any(not math.isnan(sample.value) for sample in observed.prometheus.query(query.expression))

    wait_until(has_a_number, 60)


def test_promtool_finds_the_page_of_metrics_right(observed: ObservedShop) -> None:
    checked = promtool("check", "metrics", text=observed.shop.metrics())
    # The name is the translation of python.thread.count, as jvm.thread.count is translated.
    assert [line for line in checked.stderr.splitlines() if not line.startswith("python_thread_count non-hist")] == []
