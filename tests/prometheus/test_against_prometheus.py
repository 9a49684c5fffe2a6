"""Queries of dashboards and rules, run by a real Prometheus that scrapes a service of several processes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import alert_rules
import pytest
from conftest import WaitUntil
from dashboard_queries import DashboardQuery, dashboard_queries
from observed_shop import ObservedShop, observed_shop
from prometheus_folder import FASTER
from prometheus_server import promtool
from promql import parse, walk
from promql_parser import NumberLiteral

from thread_exporters._schema.metrics import METRICS, HistogramMetric, NumberMetric

pytestmark = [pytest.mark.prometheus, pytest.mark.timeout(300)]

# Alerts fire in test_boards_preview.py, which looks at their panel.
QUERIES = [
    query
    for query in dashboard_queries("shop.cache:Cache._guard", job="shop", rate_interval="20s")
    if "ALERTS" not in query.expression
]
# Only the fault has what these look at, and test_workloads.py sees each of them fire on it.
WITH_THE_FAULT_ONLY = {
    "PythonFutureNeverDone",
    "PythonLockWaitStuck",
    "PythonPermitsExhausted",
    "PythonThreadLeak",
}
# An hour has to pass first; the tests of the rules by promtool have one.
AFTER_AN_HOUR = {"instance_place:python_blocking_waiters:growth1h"}
ALERTS = [
    rule
    for group in alert_rules.faster(FASTER)["groups"]
    for rule in group["rules"]
    if "alert" in rule and rule["alert"] not in WITH_THE_FAULT_ONLY
]
RECORDED = [rule["record"] for rule in alert_rules.ALL if "record" in rule and rule["record"] not in AFTER_AN_HOUR]
COMPARISONS = {"==", "!=", "<", ">", "<=", ">="}


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObservedShop]:
    with observed_shop(tmp_path_factory.mktemp("shop")) as observed:
        yield observed


def has_a_number(observed: ObservedShop, expression: str) -> bool:
    """True if there is something to show. NaN, a share or quantile of nothing, does not count."""
    return any(not math.isnan(sample.value) for sample in observed.prometheus.query(expression))


def compared(expression: str) -> list[str]:
    """Subjects of the comparisons in an expression."""
    comparisons = [node for node, _ in walk(parse(expression)) if str(getattr(node, "op", "")) in COMPARISONS]
    sides = [side for node in comparisons for side in (node.lhs, node.rhs)]
    return [side.prettify() for side in sides if not isinstance(side, NumberLiteral)]


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_each_metric_is_scraped(
    observed: ObservedShop, wait_until: WaitUntil, metric: NumberMetric | HistogramMetric
) -> None:
    name = metric.prometheus_name + ("_bucket" if isinstance(metric, HistogramMetric) else "")
    wait_until(lambda: observed.prometheus.series(f'{name}{{job="shop"}}'), 60)


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: f"{query.dashboard}: {query.panel}")
def test_each_panel_has_something_to_show(observed: ObservedShop, wait_until: WaitUntil, query: DashboardQuery) -> None:
    wait_until(lambda: has_a_number(observed, query.expression), 60)


def test_all_rules_are_loaded_and_evaluated(observed: ObservedShop, wait_until: WaitUntil) -> None:
    wait_until(lambda: all(rule["health"] != "unknown" for rule in observed.prometheus.rules()), 60)
    evaluated = observed.prometheus.rules()
    assert sorted(rule["name"] for rule in evaluated) == sorted(map(alert_rules.name_of, alert_rules.ALL))
    assert [rule for rule in evaluated if rule["health"] != "ok"] == []


@pytest.mark.parametrize("name", RECORDED)
def test_each_recording_rule_records(observed: ObservedShop, wait_until: WaitUntil, name: str) -> None:
    wait_until(lambda: has_a_number(observed, name), 90)


@pytest.mark.parametrize("alert", ALERTS, ids=alert_rules.name_of)
def test_each_alert_has_numbers_to_watch(observed: ObservedShop, wait_until: WaitUntil, alert: dict[str, Any]) -> None:
    """Check that alerts have data in a healthy service; test_alerts.py shows that each fires on its fault."""
    watched = compared(alert["expr"])
    assert watched
    wait_until(lambda: all(has_a_number(observed, expression) for expression in watched), 90)


def test_promtool_finds_the_page_of_metrics_right(observed: ObservedShop) -> None:
    checked = promtool("check", "metrics", text=observed.shop.metrics())
    # The name is the translation of python.thread.count, like that of jvm.thread.count.
    assert [line for line in checked.stderr.splitlines() if not line.startswith("python_thread_count non-hist")] == []
