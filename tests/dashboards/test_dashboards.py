"""The committed dashboards: that the code makes them, and that they ask for nothing that the project does not have."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from dashboard_queries import (
    FOLDER,
    FROM_PROMETHEUS,
    DashboardQuery,
    dashboard_queries,
    dashboards,
    panels,
    written_queries,
)
from promql import made_labels, parse, selectors, used_labels

from thread_exporters._schema.metrics import METRICS, HistogramMetric, Metric

ROOT = Path(__file__).parent.parent.parent
SERIES_OF_HISTOGRAM = ("_bucket", "_sum", "_count")


def command(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60)


def labels_of_series(metrics: Iterable[Metric]) -> dict[str, set[str]]:
    """The labels of every series that Prometheus gets of these metrics."""
    target = {"cluster", "namespace", "job", "instance"}
    series = {name: target | {"alertname", "alertstate", "severity"} for name in FROM_PROMETHEUS}
    for metric in metrics:
        labels = {*target, *metric.prometheus_labels}
        if isinstance(metric, HistogramMetric):
            series |= {metric.prometheus_name + suffix: set(labels) for suffix in SERIES_OF_HISTOGRAM}
            series[metric.prometheus_name + "_bucket"].add("le")
        else:
            series[metric.prometheus_name] = labels
    return series


def unknown_names(queries: Sequence[DashboardQuery], metrics: Iterable[Metric]) -> Iterator[str]:
    """A complaint about each metric and each label that a query uses and the project does not have."""
    known = labels_of_series(metrics)
    for query in queries:
        expression = parse(query.expression)
        missing = {str(found.name) for found, _ in selectors(expression)} - set(known)
        yield from (f"there is no metric {name} for {query}" for name in sorted(missing))
        for label, part in used_labels(expression):
            has = made_labels(part).union(*(known.get(str(found.name), {label}) for found, _ in selectors(part)))
            if label not in has:
                yield f"there is no label {label} for {query}"


def test_the_files_are_what_the_code_makes() -> None:
    done = command("-m", "dashboards", "--check")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_file_that_is_not_what_the_code_makes_is_named(tmp_path: Path) -> None:
    wrote = command("-m", "dashboards", "--folder", tmp_path)
    assert wrote.returncode == 0, wrote.stderr
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        path.name: path.read_text() for path in FOLDER.glob("*.json")
    }
    (tmp_path / "lock.json").write_text("{}")
    (tmp_path / "threads.json").unlink()
    checked = command("-m", "dashboards", "--check", "--folder", tmp_path)
    assert checked.returncode == 1
    assert [line.split()[0] for line in checked.stderr.splitlines()] == [
        str(tmp_path / "lock.json"),
        str(tmp_path / "threads.json"),
    ]
    assert (tmp_path / "lock.json").read_text() == "{}"


@pytest.mark.parametrize(
    ("expression", "complaint"),
    [
        ("Selection().rate('python.lock.contention')", "expected a metric of this project by its OpenTelemetry name"),
        ("label('python.lock.nam')", "expected an attribute of a metric of this project, got 'python.lock.nam'"),
        ("Selection().rate('python.thread.count')", "expected a counter or a part of a histogram, got the updown"),
        ("Selection().now('python.lock.timeouts')", "expected a gauge or an up-down counter, got the counter"),
        ("Selection().rate('python.lock.wait.duration')", "expected a counter or a part of a histogram"),
        ("Selection().rate('python.lock.timeouts', 'sum')", "expected a part of a histogram or the whole of another"),
    ],
)
def test_a_name_that_does_not_fit_fails_when_the_dashboards_are_built(expression: str, complaint: str) -> None:
    done = command("-c", f"from dashboards._promql import *; {expression}")
    assert done.returncode != 0
    assert f"ValueError: {complaint}" in done.stderr


def test_expressions_use_only_metrics_and_labels_that_there_are() -> None:
    assert list(unknown_names(dashboard_queries("guard"), METRICS)) == []


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_metric_under_another_name_is_missed_by_the_panels_that_show_it(metric: Metric) -> None:
    renamed = replace(metric, name=f"{metric.name}.anew")
    complaints = unknown_names(dashboard_queries("guard"), [renamed, *(set(METRICS) - {metric})])
    expected = rf"there is no metric {metric.prometheus_name}\w* for (overview|lock|threads)\.json, panel '.+': "
    assert any(re.match(expected, complaint) for complaint in complaints), f"no panel shows {metric.name}"


def test_a_label_under_another_name_is_missed_by_the_panels_that_show_it() -> None:
    def anew(attributes: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name.replace("python.lock.name", "python.lock.id") for name in attributes)

    renamed = [replace(metric, attributes=anew(metric.attributes)) for metric in METRICS]
    complaints = "\n".join(unknown_names(dashboard_queries("guard"), renamed))
    assert "there is no label python_lock_name for lock.json, panel 'Who waits for whom': " in complaints
    assert "there is no label python_lock_name for overview.json, panel 'Top contended locks': " in complaints


def test_legends_columns_and_links_use_only_labels_that_their_queries_keep() -> None:
    for name, dashboard in dashboards().items():
        for panel in panels(dashboard):
            kept = {label for target in panel["targets"] for label in kept_labels(target["expr"])}
            legends = [target["legendFormat"] for target in panel["targets"]]
            shown = {label for legend in legends for label in re.findall(r"\{\{(\w+)\}\}", legend)}
            for change in panel.get("transformations", ()):
                columns = change["options"].get("renameByName", {})
                shown |= {column for column in columns if not column.startswith("Value")}
            shown |= set(re.findall(r"__field\.labels\.(\w+)", json.dumps(panel)))
            assert shown <= kept, f"{name}, panel {panel['title']!r}"


def kept_labels(expression: str) -> set[str]:
    """The labels that the aggregations of an expression leave, and those that it makes."""
    kept = {label for groups in re.findall(r"\bby \(([\w, ]+)\)", expression) for label in groups.split(", ")}
    whole = re.sub(r"\$__range_s", "300", re.sub(r"\$__\w+", "1m", expression))
    return kept | made_labels(parse(whole)) | ({"alertname"} if "ALERTS" in expression else set())


def test_variables_choose_among_the_values_of_labels_that_there_are() -> None:
    known = labels_of_series(METRICS)
    for name, dashboard in dashboards().items():
        for variable in dashboard["templating"]["list"]:
            if variable["type"] == "query":
                asked = parse_choice(variable)
                assert asked[1] in known[asked[0]], f"{name}, variable {variable['name']}"


def parse_choice(variable: dict[str, str]) -> tuple[str, str]:
    """The metric and the label of which the values are a variable's choices."""
    found = re.fullmatch(r"label_values\((\w+)(?:\{.*\})?, (\w+)\)", variable["query"])
    if found:
        return found[1], found[2]
    [metric, *_] = re.findall(r"python_\w+(?=\{)", variable["query"])
    return metric, re.findall(r"\w+", variable["regex"])[0]


def test_the_lock_that_was_waited_for_most_is_the_first_choice() -> None:
    [lock] = [each for each in dashboards()["lock.json"]["templating"]["list"] if each["name"] == "lock"]
    assert lock["query"].startswith("query_result(sort_desc(topk(")
    assert lock["sort"] == 0
    name = 'shop:f.<locals>."x"'
    found = re.search(lock["regex"].strip("/"), f'{{python_lock_name="{name}"}} 12.5 1700000000000')
    assert found
    assert found[1] == name


def test_a_name_with_quotes_is_sent_as_grafana_sends_it() -> None:
    name = 'shop:f.<locals>."x"\\'
    of_lock = [query for query in dashboard_queries(name) if query.dashboard == "lock.json"]
    values = {
        matcher.value
        for query in of_lock
        for found, _ in selectors(parse(query.expression))
        for matcher in found.matchers.matchers
        if matcher.name == "python_lock_name"
    }
    assert values == {name}
    assert len(dashboard_queries(name)) == len(written_queries())
