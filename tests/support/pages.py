"""The metrics page as a client reads it."""

from __future__ import annotations

import urllib.request

from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from thread_exporters.prometheus import PrometheusExporter

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
PARSERS = {"text": ("", parse_text), "openmetrics": (OPENMETRICS, parse_openmetrics)}


def get(url: str | None, accept: str = "") -> tuple[str, str]:
    assert url is not None
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Accept": accept}), timeout=30) as response:
        return response.read().decode(), response.headers["Content-Type"]


def families(exporter: PrometheusExporter, form: str = "text") -> dict[str, Metric]:
    accept, parse = PARSERS[form]
    return {family.name: family for family in parse(get(exporter.url, accept)[0])}


def value(found: dict[str, Metric], name: str, **labels: str) -> float | None:
    for family in found.values():
        for sample in family.samples:
            if sample.name == name and labels.items() <= sample.labels.items():
                return sample.value
    return None
