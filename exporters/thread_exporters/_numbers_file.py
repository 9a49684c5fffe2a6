"""The numbers of one process in a form that is quick to read: a line of JSON for each metric.

A series is its attribute values and a number, or for a histogram its sum and then index and count of each bucket that
is not empty.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import sleep
from typing import Any, Final

from thread.telemetry import Histogram

from ._encodable import encodable
from ._exemplars import Exemplar, Exemplars
from ._metrics import METRICS, HistogramMetric, NumberMetric
from ._points import Attributes
from ._recorded import Recorded

COUNTS: Final = ".counts"
"""The suffix of the file of what only grows. It stays when its process is gone."""
GAUGES: Final = ".gauges"

_BEGAN: Final = "began"
_EXEMPLARS: Final = "exemplars"
_EMPTY: Final[tuple[int, ...]] = (0,) * (len(Histogram.bounds) + 1)


@dataclass(slots=True)
class Numbers:
    """What such files say."""

    began_at: float = 0.0
    numbers: dict[str, dict[Attributes, float]] = field(default_factory=dict)
    histograms: dict[str, dict[Attributes, tuple[float, tuple[int, ...]]]] = field(default_factory=dict)
    """Of each series its sum and its buckets."""
    exemplars: dict[Attributes, Mapping[int, Exemplar]] = field(default_factory=dict)


def contents_of(suffix: str, recorded: Recorded, exemplars: Exemplars) -> bytes:
    """What is to be in the file with that suffix."""
    lines = [_line_of(metric, recorded) for metric in METRICS if suffix_of(metric) == suffix]
    if suffix == COUNTS:
        lines += [_line(_BEGAN, recorded.began_at), _line(_EXEMPLARS, list(_exemplars_as_lists(exemplars)))]
    return b"".join(lines)


def suffix_of(metric: NumberMetric | HistogramMetric) -> str:
    """That of the file which holds a metric."""
    return COUNTS if metric.instrument in ("counter", "histogram") else GAUGES


def numbers_in(path: Path) -> Numbers:
    """What a file says. Raises OSError where it cannot be read, ValueError where it is none of these."""
    found = Numbers()
    for line in path.read_bytes().splitlines():
        name, content = json.loads(line)
        if name == _BEGAN:
            found.began_at = content
        elif name == _EXEMPLARS:
            found.exemplars = {tuple(attributes): _exemplars_of(lists) for attributes, lists in content}
        elif content and isinstance(content[0][1], list):
            found.histograms[name] = {tuple(attributes): _distribution(*numbers) for attributes, numbers in content}
        else:
            found.numbers[name] = {tuple(attributes): number for attributes, number in content}
        # Other threads may have the GIL.
        sleep(0)
    return found


def _line(name: str, content: object) -> bytes:
    return json.dumps([name, content], separators=(",", ":")).encode() + b"\n"


def _line_of(metric: NumberMetric | HistogramMetric, recorded: Recorded) -> bytes:
    if isinstance(metric, HistogramMetric):
        histograms = recorded.histograms(metric)
        return _line(metric.name, [(_encodable(attributes), _numbers(each)) for attributes, each in histograms])
    return _line(metric.name, [(_encodable(attributes), number) for attributes, number in recorded.numbers(metric)])


def _encodable(attributes: Attributes) -> list[str | int]:
    return [encodable(value) if isinstance(value, str) else value for value in attributes]


def _numbers(histogram: Histogram) -> list[float]:
    numbers = [histogram.sum]
    for index, count in enumerate(histogram.buckets):
        if count:
            numbers += (index, count)
    return numbers


def _distribution(total: float, *pairs: int) -> tuple[float, tuple[int, ...]]:
    buckets: list[int] = [*_EMPTY]
    for index, count in zip(pairs[::2], pairs[1::2]):
        buckets[index] = count
    return total, tuple(buckets)


def _exemplars_as_lists(exemplars: Exemplars) -> Iterator[tuple[list[str | int], list[list[float | str]]]]:
    for attributes, found in exemplars.items():
        yield (
            _encodable(attributes),
            [
                [bucket, each.value, each.at, f"{each.trace_id:x}", f"{each.span_id:x}"]
                for bucket, each in found.items()
            ],
        )


def _exemplars_of(lists: list[list[Any]]) -> dict[int, Exemplar]:
    return {
        bucket: Exemplar(value, at, int(trace_id, 16), int(span_id, 16))
        for bucket, value, at, trace_id, span_id in lists
    }
