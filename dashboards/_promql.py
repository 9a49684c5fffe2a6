"""Expressions over the metrics of this project, which are looked up by their OpenTelemetry names.

A metric or an attribute that the project does not have is a ValueError when the dashboards are built, and so is a
rate of something that does not only grow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from thread_exporters._schema.metrics import METRICS, HistogramMetric, NumberMetric

Part: TypeAlias = Literal["sum", "count", "bucket"]

RATE_WINDOW: Final = "$__rate_interval"
"""The window that Grafana makes long enough for a rate, at any scrape interval and zoom."""
WHOLE_RANGE: Final = "$__range"
"""All of the time that the dashboard shows."""
RECENTLY: Final = "5m"
"""A window that does not depend on the zoom, for numbers that stand alone."""
A_WHILE: Final = "30m"
"""Long enough to see what grows slowly."""

ALWAYS_THERE: Final = "python.thread.telemetry.dropped"
"""A metric that every instance has from its first scrape, whatever it does with threads."""

SERVICE: Final = ("cluster", "namespace", "job")
"""The labels of a service. The first two are missing where nobody puts them on."""
INSTANCE: Final = (*SERVICE, "instance")
"""The labels of one instance of a service."""

LASTING: Final = 60
"""Seconds from which on a wait counts while it lasts. Shorter ones count when they end."""

_METRICS: Final = {metric.name: metric for metric in METRICS}
_ATTRIBUTES: Final = {attribute: label for m in METRICS for attribute, label in zip(m.attributes, m.prometheus_labels)}


def label(name: str) -> str:
    """The Prometheus label of an attribute; labels that Prometheus or an expression makes stay as they are."""
    if "." not in name:
        return name
    try:
        return _ATTRIBUTES[name]
    except KeyError:
        raise ValueError(f"expected an attribute of a metric of this project, got {name!r}") from None


def prometheus_name(name: str, part: Part | None = None) -> str:
    """The name of a metric, or of one part of a histogram, as Prometheus stores it."""
    metric = _metric(name)
    if (part is not None) != isinstance(metric, HistogramMetric):
        raise ValueError(f"expected a part of a histogram or the whole of another metric, got {part} of {name}")
    return f"{metric.prometheus_name}_{part}" if part else metric.prometheus_name


def _metric(name: str) -> NumberMetric | HistogramMetric:
    try:
        return _METRICS[name]
    except KeyError:
        raise ValueError(f"expected a metric of this project by its OpenTelemetry name, got {name!r}") from None


@dataclass(frozen=True, slots=True)
class Selection:
    """The series that the variables of a dashboard have chosen."""

    matchers: tuple[str, ...] = tuple(f'{name}=~"${name}"' for name in INSTANCE)

    def where(self, *matchers: str) -> Selection:
        """The series among them that match these, too."""
        return Selection((*self.matchers, *matchers))

    def foreign(self, name: str, *matchers: str) -> str:
        """Series that Prometheus makes itself, such as `up`."""
        return f"{name}{{{', '.join((*matchers, *self.matchers))}}}"

    def of(self, name: str, part: Part | None = None) -> str:
        """The series themselves."""
        return f"{prometheus_name(name, part)}{{{', '.join(self.matchers)}}}"

    def now(self, name: str) -> str:
        """The values of something that goes up and down."""
        if _metric(name).instrument not in ("gauge", "updowncounter"):
            raise ValueError(f"expected a gauge or an up-down counter, got the {_metric(name).instrument} {name}")
        return self.of(name)

    def average(self, name: str, window: str = RATE_WINDOW) -> str:
        """The mean of something that goes up and down: one moment may be an exception."""
        return f"avg_over_time({self.now(name)}[{window}])"

    def rate(self, name: str, part: Part | None = None, window: str = RATE_WINDOW) -> str:
        """Growth a second, in the unit of the metric."""
        return f"rate({self._growing(name, part)}[{window}])"

    def waiting(self, window: str = RATE_WINDOW) -> str:
        """Threads that wait for each lock, on average.

        By Little's law these are the seconds waited per second. A wait is in them when it ends, so one that lasts
        counts by the number of waiters.
        """
        lasting = f"{self.average('python.lock.waiters', window)} and {self.now('python.lock.wait.oldest')} > {LASTING}"
        return f"({lasting} or {self.rate('python.lock.wait.duration', 'sum', window)})"

    def increase(self, name: str, part: Part | None = None, window: str = WHOLE_RANGE) -> str:
        """Growth within the window."""
        return f"increase({self._growing(name, part)}[{window}])"

    def growth(self, name: str, part: Part | None = None, window: str = WHOLE_RANGE) -> str:
        """Growth of something rare within the window, the first time included.

        A series that is born with its first event begins at 1, which no increase sees. So the first value of a series
        counts as well if the instance was there before it, but not if Prometheus only began to look.
        """
        series = self._growing(name, part)
        looks = f"count_over_time({Selection().of(ALWAYS_THERE)}[{window}])"
        is_later = f"count_over_time({series}[{window}]) < on ({', '.join(INSTANCE)}) group_left () {looks}"
        was_there = f"count_over_time({series}[{window}] offset {window})"
        born = f"min_over_time({series}[{window}]) and ({is_later}) unless {was_there}"
        # With a label of their own, the increases are added to what they began with and do not replace it.
        return f'{born} or label_replace({self.increase(name, part, window)}, "grown", "since birth", "", "")'

    def quantile(self, q: float, name: str, *by: str, window: str = RATE_WINDOW) -> str:
        """An estimate from buckets. 1 is the upper bound of the highest bucket with anything in it."""
        buckets = f"rate({self.of(name, 'bucket')}[{RATE_WINDOW}])"
        if window != RATE_WINDOW:
            buckets = self.increase(name, "bucket", window)
        return real(f"histogram_quantile({q:g}, {total(buckets, *by, 'le')})")

    def _growing(self, name: str, part: Part | None) -> str:
        if part is None and _metric(name).instrument != "counter":
            raise ValueError(f"expected a counter or a part of a histogram, got the {_metric(name).instrument} {name}")
        return self.of(name, part)


def total(expression: str, *by: str) -> str:
    """The sum, one for each value of the labels."""
    return aggregate("sum", expression, *by)


def aggregate(operator: Literal["sum", "max", "min"], expression: str, *by: str) -> str:
    """One of PromQL's aggregations, one for each value of the labels."""
    return f"{operator}{_grouping(by) or ' '}({expression})"


def _grouping(by: Sequence[str]) -> str:
    return f" by ({', '.join(map(label, by))}) " if by else ""


def top(count: int, expression: str, *by: str) -> str:
    """The series with the greatest values, of all or for each value of the labels."""
    return f"topk{_grouping(by)}({count}, {expression})"


def real(expression: str) -> str:
    """The same without NaN, which shares and quantiles of nothing are."""
    return f"({expression}) >= 0"


def joined(expression: str, destination: str, separator: str, *sources: str) -> str:
    """The expression with one more label, put together from others."""
    quoted = ", ".join(f'"{label(source)}"' for source in sources)
    return f'label_join({expression}, "{destination}", "{separator}", {quoted})'


def at_line(expression: str, destination: str, path: str, line: str) -> str:
    """The expression with a label such as `shop/storage.py:58`: the file, its folder and the line."""
    whole = joined(expression, destination, ":", path, line)
    short = f'label_replace({whole}, "{destination}", "$1", "{destination}", ".*/([^/]+/[^/]+)")'
    # Who waits for the GIL waits for no line.
    return f'label_replace({short}, "{destination}", "", "{destination}", ":0?")'
