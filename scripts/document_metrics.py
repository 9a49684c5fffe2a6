"""Write docs/metrics.md from the lists of metrics and attributes in the code, or check it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Final, get_args

import generated_pages

from thread_exporters._schema.attributes import ATTRIBUTES, MOST_SERIES, Attribute, Carrier
from thread_exporters._schema.metrics import METRICS, HistogramMetric, NumberMetric

PAGE: Final = Path(__file__).parent.parent / "docs" / "metrics.md"

INTRODUCTION: Final = """\
# Metrics and attributes

This page lists everything that the exporters send. `make docs` writes it from the lists in
[`metrics.py`](../exporters/thread_exporters/_schema/metrics.py) and
[`attributes.py`](../exporters/thread_exporters/_schema/attributes.py).

OpenTelemetry's names have dots. Prometheus has the standard translation: dots become underscores, and the name ends
with the unit, and with `total` for a counter. Labels are attributes with underscores. An up-down counter is a gauge
there. The name is the same whether Prometheus scrapes the process or gets the metrics by OTLP.

Counters and histograms count from the start of the process. A series stays as long as the process lives. Durations are
in seconds.
"""

OF_SEVERAL: Final = """\
If several processes share one page (`PROMETHEUS_MULTIPROC_DIR`), a series is the sum of theirs, unless the table says
otherwise.
"""

CARDINALITY: Final = """\
## Cardinality

Each metric has a limit on its series. At the limit, everything new counts under the value `other`. A histogram has one
series for each of its bounds, and three more for `+Inf`, sum and count. A lock has a histogram once a thread has waited
for it. Only spans and log records have identifiers and names of threads, because their number has no limit.
"""

ON_OTHERS: Final = """\
## Spans, links, events and log records

The exporters `otlp` and `spans` send them. A wait over `slow_wait` is a span `lock wait <name>`,
`condition wait <name>` and the like. The life of a thread is a span `thread <target>`. An unhandled exception is an
event of its thread's span or a log record, as `OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN` says.
"""

AREAS: Final = {
    "thread": "Threads",
    "lock": "Locks",
    "blocking": "Blocking",
    "executor": "Executors",
    "thread.telemetry": "What is observed",
}
TYPES: Final = {"counter": "counter", "updowncounter": "up-down counter", "gauge": "gauge", "histogram": "histogram"}

Metric = NumberMetric | HistogramMetric


def page() -> str:
    """The whole page."""
    return "\n".join([INTRODUCTION, *_overview(), *_details(), *_cardinality(), *_attributes(), *_carriers()])


def _area(metric: Metric) -> str:
    parts = metric.name.split(".")
    return "thread.telemetry" if parts[1:3] == ["thread", "telemetry"] else parts[1]


def _overview() -> Iterator[str]:
    for area, metrics in groupby(METRICS, _area):
        yield f"## {AREAS[area]}\n"
        yield from _table(
            ("metric", "in Prometheus", "meaning"),
            (
                (f"[`{each.name}`](#{_anchor(each.name)})", f"`{each.prometheus_name}`", each.description)
                for each in metrics
            ),
        )


def _details() -> Iterator[str]:
    yield "## Each metric\n"
    yield OF_SEVERAL
    for metric in METRICS:
        yield f"### {metric.name}\n"
        yield f"{metric.description}\n"
        yield from _table(("", "OpenTelemetry", "Prometheus"), _facts(metric))
        if isinstance(metric, HistogramMetric):
            yield f"Bounds (`le`), {len(metric.bounds)} and `+Inf`: {_codes(map(str, metric.bounds))}\n"


def _facts(metric: Metric) -> Iterator[tuple[str, ...]]:
    name = metric.prometheus_name
    series = [f"{name}_{suffix}" for suffix in ("bucket", "sum", "count")]
    prometheus_type = "gauge" if metric.instrument == "updowncounter" else metric.instrument
    yield "name", f"`{metric.name}`", _codes(series if isinstance(metric, HistogramMetric) else [name])
    yield "kind", TYPES[metric.instrument], prometheus_type
    yield "unit", f"`{metric.unit}`", metric.prometheus_unit or "–"
    yield "attributes", _linked(metric.attributes), _codes(metric.prometheus_labels)
    if isinstance(metric, NumberMetric) and metric.across_processes != "sum":
        yield "of several processes", "–", f"the {metric.across_processes}imum"


def _cardinality() -> Iterator[str]:
    yield CARDINALITY
    by_attributes: dict[tuple[str, ...], list[Metric]] = {}
    for metric in METRICS:
        by_attributes.setdefault(metric.attributes, []).append(metric)
    yield from _table(
        ("metrics", "attributes", "at most"),
        (
            (_codes(each.name for each in metrics), _codes(attributes), f"{MOST_SERIES[attributes]:,}")
            for attributes, metrics in by_attributes.items()
        ),
    )


def _attributes() -> Iterator[str]:
    of_metrics = {name for metric in METRICS for name in metric.attributes}
    yield "## Attributes of metrics\n"
    yield from _table(
        ("attribute", "label in Prometheus", "type", "meaning", "example", "values"),
        (
            (
                f"`{each.name}`",
                f"`{each.name.replace('.', '_')}`",
                each.type,
                each.description,
                f"`{each.example}`",
                _codes(each.values) if each.values else f"at most {each.most_values:,}",
            )
            for each in ATTRIBUTES
            if each.name in of_metrics
        ),
    )


def _carriers() -> Iterator[str]:
    yield ON_OTHERS
    for carrier in get_args(Carrier):
        yield f"### {carrier.capitalize()}\n"
        yield from _table(
            ("attribute", "type", "meaning", "example"),
            (
                (f"`{each.name}`", each.type, _meaning(each), f"`{each.example.strip()}`")
                for each in ATTRIBUTES
                if carrier in each.carriers
            ),
        )


def _meaning(attribute: Attribute) -> str:
    values = f" One of {_codes(attribute.values)}." if len(attribute.values) > 1 else ""
    return attribute.description + values


def _codes(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "–"


def _linked(names: Iterable[str]) -> str:
    return ", ".join(f"[`{name}`](#attributes-of-metrics)" for name in names) or "–"


def _anchor(heading: str) -> str:
    return heading.replace(".", "")


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |".replace("  ", " ")  # an empty head
    yield "|---" * len(head) + "|"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""


if __name__ == "__main__":
    sys.exit(generated_pages.main(PAGE, lambda _: page(), __doc__, None))
