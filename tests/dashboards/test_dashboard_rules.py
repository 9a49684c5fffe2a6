"""Rules of Grafana's own linter for dashboards, and a few more, which make a dashboard at home in any Grafana."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from dashboard_queries import DashboardQuery, dashboard_queries, dashboards, panels
from promql import parse, selectors, walk
from promql_parser import Call, MatchOp, MatrixSelector

Json = dict[str, Any]

DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
UNITS = {
    "s": "seconds",
    "percentunit": "a share, 1 being 100 %",
    "short": "a number",
    "locale": "a number with all its digits",
    "cps": "counts a second",
    "cpm": "counts a minute",
}

# Two windows that nobody would write by hand stand for Grafana's variables.
RATE_INTERVAL, RANGE = timedelta(seconds=3607), timedelta(seconds=86413)
# Numbers that stand alone must not change with the zoom.
FIXED = [timedelta(minutes=5), timedelta(minutes=30)]

GROWTH = {"rate", "irate", "increase"}
# The first value of a series and how often it was seen: what tells that it was born.
BIRTH = {"min_over_time", "count_over_time"}

each_dashboard = pytest.mark.parametrize("dashboard", dashboards().values(), ids=dashboards().keys())
each_query = pytest.mark.parametrize(
    "query",
    dashboard_queries(
        "$lock",
        cluster="$cluster",
        namespace="$namespace",
        job="$job",
        instance="$instance",
        rate_interval=f"{RATE_INTERVAL.total_seconds():.0f}s",
        time_range=f"{RANGE.total_seconds():.0f}s",
    ),
    ids=lambda query: f"{query.dashboard}: {query.panel}",
)
each_panel = pytest.mark.parametrize(
    "panel",
    [panel for dashboard in dashboards().values() for panel in panels(dashboard)],
    ids=lambda panel: panel["title"],
)


def variables(dashboard: Json) -> dict[str, Json]:
    return {variable["name"]: variable for variable in dashboard["templating"]["list"]}


def test_there_are_three_dashboards() -> None:
    assert list(dashboards()) == ["lock.json", "overview.json", "threads.json"]


@each_dashboard
def test_the_data_source_is_chosen_by_the_reader(dashboard: Json) -> None:
    chosen = [variable for variable in variables(dashboard).values() if variable["type"] == "datasource"]
    assert [(each["name"], each["label"], each["query"]) for each in chosen] == [
        ("datasource", "Data source", "prometheus")
    ]


@each_dashboard
@pytest.mark.parametrize(("name", "every"), [("cluster", ".*"), ("namespace", ".*"), ("job", ".+"), ("instance", ".+")])
def test_services_and_instances_are_chosen_by_the_reader(dashboard: Json, name: str, every: str) -> None:
    """A target without a cluster or a namespace is among all of them, too."""
    variable = variables(dashboard)[name]
    assert variable["type"] == "query"
    assert variable["label"] == name.capitalize()
    assert variable["datasource"] == DATASOURCE
    assert (variable["multi"], variable["includeAll"], variable["allValue"]) == (True, True, every)


@each_dashboard
def test_choices_are_queries_that_follow_the_time_range(dashboard: Json) -> None:
    for variable in variables(dashboard).values():
        if variable["type"] == "query":
            asked = re.fullmatch(r"(?:label_values\((.+), \w+|query_result\((.+))\)", variable["query"])
            assert asked, variable["query"]
            parse((asked[1] or asked[2]).replace("$__range", "1h"))
            assert variable["refresh"] == 2, variable["name"]


@each_dashboard
def test_a_dashboard_is_not_edited_in_place(dashboard: Json) -> None:
    assert dashboard["editable"] is False


@each_dashboard
def test_a_dashboard_is_as_grafana_10_knows_them(dashboard: Json) -> None:
    assert dashboard["schemaVersion"] <= 38
    assert isinstance(dashboard["panels"], list)
    assert not {"apiVersion", "spec", "elements", "layout"} & set(dashboard)
    assert '"inControlsMenu"' not in json.dumps(dashboard)


@each_dashboard
def test_panels_have_numbers_and_titles_of_their_own(dashboard: Json) -> None:
    numbers = [panel["id"] for panel in dashboard["panels"]]
    titles = [panel["title"] for panel in panels(dashboard)]
    assert sorted(set(numbers)) == sorted(numbers)
    assert sorted(set(titles)) == sorted(titles)


@each_dashboard
def test_panels_lie_side_by_side_and_fill_the_width(dashboard: Json) -> None:
    taken = [cell for panel in dashboard["panels"] for cell in cells(panel["gridPos"])]
    assert len(set(taken)) == len(taken)
    for panel in dashboard["panels"]:
        top = panel["gridPos"]["y"]
        assert {column for column, row in taken if row == top} == set(range(24)), panel["title"]


def cells(place: Json) -> Iterator[tuple[int, int]]:
    for column in range(place["x"], place["x"] + place["w"]):
        yield from ((column, row) for row in range(place["y"], place["y"] + place["h"]))


@each_dashboard
def test_marks_ask_the_chosen_data_source_for_what_was_chosen(dashboard: Json) -> None:
    marks = dashboard["annotations"]["list"]
    assert [mark["name"] for mark in marks] == ["Alerts", "Starts"]
    for mark in marks:
        assert (mark["datasource"], mark["enable"]) == (DATASOURCE, True)
        for selector, _ in selectors(parse(mark["expr"])):
            assert {"job", "instance"} <= {each.name for each in selector.matchers.matchers}


@each_panel
def test_no_value_is_not_green(panel: Json) -> None:
    steps = panel["fieldConfig"]["defaults"].get("thresholds", {}).get("steps", ())
    assert all(step["color"] != "green" for step in steps if step["value"] is None)


@each_panel
def test_a_legend_begins_with_the_greatest_and_has_room(panel: Json) -> None:
    if panel["type"] == "timeseries":
        legend = panel["options"]["legend"]
        assert (legend["sortBy"], legend["sortDesc"]) == ("Max", True)
        assert legend["calcs"] == (["max", "lastNotNull"] if panel["gridPos"]["w"] >= 12 else ["max"])


@each_panel
def test_columns_of_numbers_are_narrow_and_bars_end_at_their_own_greatest_value(panel: Json) -> None:
    if panel["type"] != "table":
        return
    for override in panel["fieldConfig"]["overrides"]:
        properties = {each["id"]: each["value"] for each in override["properties"]}
        if "unit" in properties:
            assert properties["custom.width"] <= 200
        if properties.get("custom.cellOptions", {}).get("type") == "gauge":
            assert properties["fieldMinMax"] is True


@each_panel
def test_a_panel_says_what_it_shows(panel: Json) -> None:
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert len(panel["description"].split()) > 5


@each_panel
def test_a_panel_asks_the_chosen_data_source(panel: Json) -> None:
    assert panel["targets"]
    assert panel["datasource"] == DATASOURCE
    assert all(target["datasource"] == DATASOURCE for target in panel["targets"])
    references = [target["refId"] for target in panel["targets"]]
    assert len(set(references)) == len(references)


@each_panel
def test_a_panel_has_units(panel: Json) -> None:
    settings = panel["fieldConfig"]
    units = [settings["defaults"]["unit"]]
    for override in settings["overrides"]:
        units += [each["value"] for each in override["properties"] if each["id"] == "unit"]
    assert set(units) <= set(UNITS)


@each_query
def test_every_selector_is_limited_to_the_chosen_services_and_instances(query: DashboardQuery) -> None:
    found = selectors(parse(query.expression))
    assert found
    for selector, _ in found:
        matchers = {(each.name, str(each.op), each.value) for each in selector.matchers.matchers}
        assert {(name, str(MatchOp.Re), f"${name}") for name in ("cluster", "namespace", "job", "instance")} <= matchers


@each_query
def test_windows_follow_the_scrape_interval_or_the_time_shown(query: DashboardQuery) -> None:
    for node, above in walk(parse(query.expression)):
        if isinstance(node, MatrixSelector):
            assert isinstance(above[-1], Call)
            rates = above[-1].func.name in ("rate", "irate")
            assert node.range in ([RATE_INTERVAL, *FIXED] if rates else [RATE_INTERVAL, RANGE, *FIXED]), node


@each_query
def test_what_only_grows_is_shown_by_how_it_grows(query: DashboardQuery) -> None:
    for selector, above in selectors(parse(query.expression)):
        if str(selector.name).endswith(("_total", "_bucket", "_sum", "_seconds_count")):
            assert isinstance(above[-1], MatrixSelector), selector
            assert isinstance(above[-2], Call)
            assert above[-2].func.name in GROWTH | BIRTH, selector


@each_dashboard
def test_the_dashboards_lead_to_one_another_and_keep_what_was_chosen(dashboard: Json) -> None:
    link, runbook = dashboard["links"]
    assert runbook["url"] == "docs/runbook.md"
    assert link["type"] == "dashboards"
    assert (link["includeVars"], link["keepTime"]) == (True, True)
    assert all(set(link["tags"]) <= set(other["tags"]) for other in dashboards().values())


def test_a_contended_lock_leads_to_its_dashboard() -> None:
    lock = dashboards()["lock.json"]
    urls = re.findall(r'"url": "(/d/.+?)"', json.dumps(dashboards()["overview.json"]))
    assert len(urls) == 2
    for url in urls:
        uid, chosen = url.removeprefix("/d/").split("?")
        assert uid == lock["uid"]
        names = re.findall(r"var-(\w+)=|\$\{(\w+):queryparam\}", chosen)
        assert {one or other for one, other in names} == set(variables(lock))
        assert chosen.endswith("&${__url_time_range}")


def test_slow_waits_of_a_lock_lead_to_their_traces() -> None:
    with_exemplars = {
        panel["type"]
        for panel in panels(dashboards()["lock.json"])
        for target in panel["targets"]
        if target.get("exemplar") and "python_lock_wait_duration_seconds_bucket" in target["expr"]
    }
    assert with_exemplars == {"heatmap", "timeseries"}
