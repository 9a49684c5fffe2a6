"""The recording and alerting rules of dashboards/rules, evaluated by a real Prometheus over the shop under load."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from compose_file import DASHBOARDS
from conftest import WaitUntil
from observed_shop import ObservedShop, observed_shop
from promql import parse, walk
from promql_parser import BinaryExpr, NumberLiteral

pytestmark = [pytest.mark.prometheus, pytest.mark.timeout(300)]

RULES = [
    rule
    for file in sorted((DASHBOARDS / "rules").glob("*.yml"))
    for group in yaml.safe_load(file.read_text())["groups"]
    for rule in group["rules"]
]
RECORDING = [rule for rule in RULES if "record" in rule]
ALERTING = [rule for rule in RULES if "alert" in rule]
COMPARISONS = {"==", "!=", "<", ">", "<=", ">="}

NEEDS_A_FAULT: dict[str, str] = {}
"""The alerts that the shop under load does not raise, and what it would take."""


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObservedShop]:
    with observed_shop(tmp_path_factory.mktemp("shop")) as observed:
        yield observed


def name_of(rule: dict[str, Any]) -> str:
    return str(rule.get("record") or rule["alert"])


def compared(expression: str) -> list[str]:
    """What the comparisons in an expression are about: without numbers there, it stays silent whatever happens."""
    comparisons = [
        node for node, _ in walk(parse(expression)) if isinstance(node, BinaryExpr) and str(node.op) in COMPARISONS
    ]
    sides = [side for node in comparisons for side in (node.lhs, node.rhs)]
    return [side.prettify() for side in sides if not isinstance(side, NumberLiteral)]


def has_a_number(observed: ObservedShop, expression: str) -> bool:
    return any(not math.isnan(sample.value) for sample in observed.prometheus.query(expression))


def test_all_rules_are_loaded_and_evaluated(observed: ObservedShop, wait_until: WaitUntil) -> None:
    wait_until(lambda: all(rule["health"] != "unknown" for rule in observed.prometheus.rules()), 60)
    evaluated = observed.prometheus.rules()
    assert sorted(rule["name"] for rule in evaluated) == sorted(map(name_of, RULES))
    assert [rule for rule in evaluated if rule["health"] != "ok"] == []


@pytest.mark.parametrize("rule", RECORDING, ids=name_of)
def test_each_recording_rule_records(observed: ObservedShop, wait_until: WaitUntil, rule: dict[str, Any]) -> None:
    wait_until(lambda: has_a_number(observed, rule["record"]), 90)


@pytest.mark.parametrize("rule", ALERTING, ids=name_of)
def test_each_alert_has_numbers_to_watch(observed: ObservedShop, wait_until: WaitUntil, rule: dict[str, Any]) -> None:
    watched = compared(rule["expr"])
    wait_until(lambda: all(has_a_number(observed, expression) for expression in watched), 90)


@pytest.mark.parametrize("rule", ALERTING, ids=name_of)
def test_each_alert_is_raised_by_what_it_is_about(
    observed: ObservedShop, wait_until: WaitUntil, rule: dict[str, Any]
) -> None:
    if rule["alert"] in NEEDS_A_FAULT:
        assert observed.prometheus.query(rule["expr"]) == []
    else:
        wait_until(lambda: observed.prometheus.query(rule["expr"]), 90)
