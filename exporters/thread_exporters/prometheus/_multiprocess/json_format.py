"""The numbers of one process in a format that is fast to read: one line of JSON per metric.

A series consists of its attribute values and a number. For a histogram, the number is a list: the sum, then index and
count of each bucket that is not empty. The files are not trusted: a line in any other form is ignored.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from time import sleep
from typing import Any, Final

from thread.telemetry import Histogram

from ..._schema.encodable import MAX_LABEL, label_value
from ..._schema.exemplars import Exemplar
from ..._schema.metrics import METRICS, HistogramMetric, NumberMetric
from ..._schema.points import Attributes
from .._format.samples import Samples

COUNTS: Final = ".counts"
"""Suffix of the file of monotonic metrics; kept after its process has ended."""
GAUGES: Final = ".gauges"
ENDED: Final = "thread.ended"
"""File with the sum of ended processes whose own files are gone."""

_BEGAN: Final = "began"
_EXEMPLARS: Final = "exemplars"
_FOLDED: Final = "folded"
_BUCKETS: Final = len(Histogram.bounds) + 1
_EMPTY: Final[tuple[int, ...]] = (0,) * _BUCKETS
_MOST: Final = 1e18
"""Upper limit for numbers, so that sums of many stay finite."""
_LONG: Final = 10_000
"""Length of a line that takes a while to parse."""
_BY_NAME: Final = {metric.name: metric for metric in METRICS}


@dataclass(slots=True)
class FileData:
    """The content of one file, or the sum of several."""

    began_at: float = 0.0
    numbers: dict[str, dict[Attributes, float]] = field(default_factory=dict)
    histograms: dict[str, dict[Attributes, tuple[float, tuple[int, ...]]]] = field(default_factory=dict)
    """Sum and buckets of each series."""
    exemplars: dict[Attributes, Mapping[int, Exemplar]] = field(default_factory=dict)
    folded: frozenset[str] = frozenset()
    """Identities of processes that are included, although their own files may still exist."""
    left_out: str = ""
    """Reason why a part of the file was ignored; empty if nothing was."""


def encode(
    suffix: str, samples: Samples, exemplars: Iterable[tuple[Attributes, Mapping[int, Exemplar]]], folded: Any = ()
) -> bytes:
    """Encode the content of the file with that suffix."""
    lines = [_line_of(metric, samples) for metric in METRICS if suffix_of(metric) == suffix]
    if suffix == COUNTS:
        lines += [_line(_BEGAN, samples.began_at), _line(_EXEMPLARS, list(_exemplars_as_lists(exemplars)))]
    if folded:
        lines.append(_line(_FOLDED, sorted(folded)))
    return b"".join(lines)


def suffix_of(metric: NumberMetric | HistogramMetric) -> str:
    """Return the suffix of the file that holds a metric."""
    return COUNTS if metric.instrument in ("counter", "histogram") else GAUGES


def decode(content: bytes) -> FileData:
    """Decode the content of a file."""
    found = FileData(left_out="" if content else "it is empty")
    for number, line in enumerate(content.splitlines(), 1):
        try:
            name, values = json.loads(line)
            _take(found, name, values)
        except (ValueError, TypeError, LookupError, ArithmeticError, RecursionError, MemoryError) as error:
            found.left_out = f"line {number}: {type(error).__name__}: {str(error)[:100]!a}"
        if len(line) > _LONG:
            # Let other threads have the GIL.
            sleep(0)
    return found


def _take(found: FileData, name: str, values: Any) -> None:
    metric = _BY_NAME.get(name)
    if isinstance(metric, HistogramMetric):
        found.histograms[name] = _series(metric, values, _distribution)
    elif metric is not None:
        found.numbers[name] = _series(metric, values, _number)
    elif name == _BEGAN:
        found.began_at = _number(values)
    elif name == _EXEMPLARS:
        found.exemplars = {_attributes(attributes, 2): _exemplars_of(lists) for attributes, lists in values}
    elif name == _FOLDED:
        found.folded = frozenset(values)
    # Otherwise the metric comes from another version.


def _series(
    metric: NumberMetric | HistogramMetric, values: Any, value_of: Callable[[Any], Any]
) -> dict[Attributes, Any]:
    count = len(metric.attributes)
    return {_attributes(attributes, count): value_of(value) for attributes, value in values}


def _attributes(values: list[Any], count: int) -> Attributes:
    if type(values) is not list or len(values) != count:
        raise ValueError(f"expected {count} attributes, got {str(values)[:60]}")
    for index, value in enumerate(values):
        if type(value) is str:
            if len(value) > MAX_LABEL:
                values[index] = label_value(value)
        elif type(value) is not int or not -_MOST < value < _MOST:
            raise ValueError(f"expected text or an integer, got {str(value)[:60]}")
    return tuple(values)


def _number(value: Any) -> float:
    if type(value) not in (int, float) or not 0 <= value < _MOST:
        raise ValueError(f"expected a number, got {str(value)[:60]}")
    number: float = value
    return number


def _distribution(values: Any) -> tuple[float, tuple[int, ...]]:
    if type(values) is not list or len(values) % 2 == 0:
        raise ValueError(f"expected a histogram, got {str(values)[:60]}")
    total = _number(values[0])
    buckets: list[int] = [*_EMPTY]
    for index, count in zip(values[1::2], values[2::2]):
        if type(index) is not int or type(count) is not int or not 0 <= index < _BUCKETS or not 0 <= count < _MOST:
            raise ValueError(f"expected a bucket and its count, got {str(index)[:30]} and {str(count)[:30]}")
        buckets[index] = count
    return total, tuple(buckets)


def _line(name: str, content: object) -> bytes:
    return json.dumps([name, content], separators=(",", ":")).encode() + b"\n"


def _line_of(metric: NumberMetric | HistogramMetric, samples: Samples) -> bytes:
    if isinstance(metric, HistogramMetric):
        histograms = samples.histograms(metric)
        return _line(metric.name, [(_bounded(attributes), _sparse(each)) for attributes, each in histograms])
    return _line(metric.name, [(_bounded(attributes), number) for attributes, number in samples.numbers(metric)])


def _bounded(attributes: Attributes) -> list[str | int]:
    return [label_value(value) if isinstance(value, str) else value for value in attributes]


def _sparse(histogram: Histogram) -> list[float]:
    numbers = [histogram.sum]
    for index, count in enumerate(histogram.buckets):
        if count:
            numbers += (index, count)
    return numbers


def _exemplars_as_lists(
    exemplars: Iterable[tuple[Attributes, Mapping[int, Exemplar]]],
) -> Iterator[tuple[list[str | int], list[list[float | str]]]]:
    for attributes, found in exemplars:
        yield (
            _bounded(attributes),
            [
                [bucket, each.value, each.at, f"{each.trace_id:x}", f"{each.span_id:x}"]
                for bucket, each in found.items()
            ],
        )


def _exemplars_of(lists: list[list[Any]]) -> dict[int, Exemplar]:
    return {_bucket(bucket): _exemplar(*rest) for bucket, *rest in lists}


def _bucket(index: Any) -> int:
    if type(index) is not int or not 0 <= index < _BUCKETS:
        raise ValueError(f"expected a bucket, got {str(index)[:60]}")
    return index


def _exemplar(value: Any, at: Any, trace_id: Any, span_id: Any) -> Exemplar:
    found = Exemplar(_number(value), _number(at), int(trace_id, 16), int(span_id, 16))
    if not 0 < found.trace_id < 1 << 128 or not 0 < found.span_id < 1 << 64:
        raise ValueError("expected the identifiers of a trace and a span")
    return found
