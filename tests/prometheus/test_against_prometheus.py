"""What the dashboards and the rules ask, asked of a real Prometheus that scrapes a service of several processes."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
from conftest import WaitUntil
from dashboard_queries import PanelQuery, panel_queries
from observed_shop import ObservedShop, observed_shop
from prometheus_server import promtool

from thread_exporters._metrics import METRICS, HistogramMetric, NumberMetric

pytestmark = [pytest.mark.prometheus, pytest.mark.timeout(300)]

VARIABLES = {
    "$job": "shop",
    "$instance": ".+",
    "$lock": "shop.cache:Cache._guard",
    "$__rate_interval": "20s",
    "$__range": "5m",
}
"""What a reader of the dashboards has chosen, and what Grafana puts in."""


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObservedShop]:
    with observed_shop(tmp_path_factory.mktemp("shop")) as observed:
        yield observed


def name_of(query: PanelQuery) -> str:
    return f"{query.dashboard}: {query.panel}"


def filled_in(expression: str) -> str:
    for variable, value in VARIABLES.items():
        expression = expression.replace(variable, value)
    assert "$" not in expression
    return expression


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_each_metric_is_scraped(
    observed: ObservedShop, wait_until: WaitUntil, metric: NumberMetric | HistogramMetric
) -> None:
    name = metric.prometheus_name + ("_bucket" if isinstance(metric, HistogramMetric) else "")
    wait_until(lambda: observed.prometheus.series(f'{name}{{job="shop"}}'), 60)


@pytest.mark.parametrize("query", [*panel_queries()], ids=name_of)
def test_each_panel_has_something_to_show(observed: ObservedShop, wait_until: WaitUntil, query: PanelQuery) -> None:
    expression = filled_in(query.expression)
    # NaN is nothing to show: it comes of a share or a quantile of nothing.
    wait_until(lambda: any(not math.isnan(sample.value) for sample in observed.prometheus.query(expression)), 60)


def test_promtool_finds_the_page_of_metrics_right(observed: ObservedShop) -> None:
    checked = promtool("check", "metrics", text=observed.shop.metrics())
    # The name is the translation of python.thread.count, as jvm.thread.count is translated.
    assert [line for line in checked.stderr.splitlines() if not line.startswith("python_thread_count non-hist")] == []
