"""The rules and their runbook, as far as no Prometheus is needed to check them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import alert_rules
import pytest
import yaml
from dashboard_queries import dashboards, panels
from promql import parse, selectors, used_labels, walk
from promql_parser import AggregateExpr, VectorSelector

from thread_exporters._schema.metrics import METRICS, HistogramMetric

ROOT = Path(__file__).parent.parent.parent

TARGET_LABELS = {"job", "instance"}


def series() -> dict[str, set[str]]:
    """The labels of all that Prometheus has of METRICS, by name."""
    found = {}
    for metric in METRICS:
        labels = set(metric.prometheus_labels)
        if isinstance(metric, HistogramMetric):
            found |= {f"{metric.prometheus_name}_{suffix}": labels for suffix in ("count", "sum")}
            found[f"{metric.prometheus_name}_bucket"] = labels | {"le"}
        else:
            found[metric.prometheus_name] = labels
    return found


SERIES = series()
LABELS = set().union(*SERIES.values()) | TARGET_LABELS
RECORDED = {rule["record"] for rule in alert_rules.ALL if "record" in rule}

each_rule = pytest.mark.parametrize("rule", alert_rules.ALL, ids=alert_rules.name_of)
each_alert = pytest.mark.parametrize("alert", alert_rules.ALERTS, ids=alert_rules.name_of)


def asked_for(expression: str) -> list[VectorSelector]:
    return [selector for selector, _ in selectors(parse(expression))]


def queries(alert: dict[str, Any]) -> Iterator[str]:
    """Queries in the description, for any process."""
    for template in re.findall(r'printf "([^"]*\{[^"]*)"\s+\.Labels', alert["annotations"]["description"]):
        yield template.replace("%q", '"x"')


def everything_asked(rule: dict[str, Any]) -> list[str]:
    return [rule["expr"], *(queries(rule) if "alert" in rule else ())]


@each_rule
def test_only_metrics_of_the_project_are_asked_for(rule: dict[str, Any]) -> None:
    names = {str(selector.name) for expression in everything_asked(rule) for selector in asked_for(expression)}
    assert names
    assert names <= SERIES.keys() | RECORDED


@each_rule
def test_only_labels_of_the_project_are_asked_for(rule: dict[str, Any]) -> None:
    for expression in everything_asked(rule):
        for selector in asked_for(expression):
            known = SERIES.get(str(selector.name), LABELS) | TARGET_LABELS
            assert {matcher.name for matcher in selector.matchers.matchers} <= known
        assert {label for label, _ in used_labels(parse(expression))} <= LABELS


@each_alert
def test_labels_that_a_description_shows_are_those_of_the_project(alert: dict[str, Any]) -> None:
    assert set(re.findall(r'label "([^"]*)"', alert["annotations"]["description"])) <= LABELS


@each_rule
def test_no_label_of_the_target_is_lost(rule: dict[str, Any]) -> None:
    """Grouping and matching name the labels that go, so that all others stay, whatever they are in an installation."""
    for part, _ in walk(parse(rule["expr"])):
        if isinstance(part, AggregateExpr):
            assert "without" in str(part.modifier)
            assert not TARGET_LABELS & set(re.findall(r"\w+", str(part.modifier)))
    assert not re.search(r"\b(on|group_left|group_right)\b", rule["expr"])


@each_alert
def test_an_alert_says_what_it_means_and_how_bad_it_is(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in ("critical", "warning", "info")
    assert alert["for"]
    for annotation in ("summary", "description"):
        assert alert["annotations"][annotation].endswith(".")
    for label in TARGET_LABELS:
        assert f"$labels.{label}" in alert["annotations"]["summary"]


@each_alert
def test_an_alert_leads_to_its_section_of_the_runbook(alert: dict[str, Any]) -> None:
    path, anchor = alert["annotations"]["runbook_url"].split("#")
    text = (ROOT / path).read_text()
    anchors = [
        re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)$", text, re.M)
    ]
    assert anchor in anchors
    assert anchor == alert["alert"].lower()


def test_the_runbook_has_no_section_for_an_alert_that_is_gone() -> None:
    sections = re.findall(r"^## (Python\w+)$", (ROOT / "docs" / "runbook.md").read_text(), re.M)
    assert sections == [alert["alert"] for alert in alert_rules.ALERTS]


def test_every_recorded_series_is_used() -> None:
    names = {
        str(selector.name)
        for rule in alert_rules.ALL
        for each in everything_asked(rule)
        for selector in asked_for(each)
    }
    assert names >= RECORDED


@each_alert
def test_promtool_has_a_case_in_which_it_fires_one_in_which_it_ends_and_one_in_which_it_is_silent(
    alert: dict[str, Any],
) -> None:
    name = alert["alert"]
    fires, silent = [], []
    for file in alert_rules.UNIT_TESTS:
        for case in yaml.safe_load(file.read_text())["tests"]:
            moments = [each for each in case.get("alert_rule_test", ()) if each["alertname"] == name]
            fires += [[bool(each.get("exp_alerts")) for each in moments]]
            silent += [
                f'alertname="{name}"' in each["expr"] and "exp_samples" not in each
                for each in case.get("promql_expr_test", ())
            ]
    assert [False, True, False] in fires
    assert True in silent


def test_panels_and_rows_that_the_runbook_names_are_on_the_boards() -> None:
    text = " ".join((ROOT / "docs" / "runbook.md").read_text().split())
    named = {tuple(each.split(" › ")) for each in re.findall(r"\*\*((?:Overview|Lock|Threads) › [^*]+)\*\*", text)}
    assert len(named) > 10
    assert named <= {
        (board, panel["title"])
        for board in ("Overview", "Lock", "Threads")
        for panel in (*panels(dashboards()[f"{board.lower()}.json"]), *dashboards()[f"{board.lower()}.json"]["panels"])
    }
