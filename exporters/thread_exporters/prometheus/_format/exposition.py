"""Our metrics in the text formats of Prometheus, as prometheus_client writes them, and many times faster.

prometheus_client makes an object of every line and formats it anew at each scrape. Here it formats one series of each
metric once, with marks in the place of what differs between series. What it wrote becomes a function from label values
and numbers to text, so that the formats stay its business.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, groupby, islice, repeat
from time import sleep
from typing import Any, Final, TypeAlias

from prometheus_client import utils
from prometheus_client.core import Metric

from thread.telemetry import Histogram, monotonic

from ..._schema.encodable import label_value
from ..._schema.exemplars import Exemplar, latest
from ..._schema.metrics import METRICS, HistogramMetric, NumberMetric
from ..._schema.points import Attributes
from .families import add_distribution, add_number, edges, empty_family
from .samples import Samples
from .text_template import TextFunction, text_function

Encoder: TypeAlias = Callable[[Any], bytes]
"""`generate_latest` of one of the formats: from a registry to a page."""

_float: Final[Callable[[float], str]] = utils.floatToGoString
_LABEL: Final = re.compile("\x00([0-9]+)\x00")
_AT_ONCE: Final = 64
"""Series that are written before the clock is looked at again: a fraction of a millisecond."""
_MAX_KNOWN: Final = 20_000
"""Series of a metric whose text is kept."""
_TURN: Final = 0.001
"""Seconds after which other threads may have the GIL. They would take it after five by themselves."""


@dataclass(frozen=True, slots=True)
class _Section:
    """What stands under one header. In some formats a family has two."""

    header: bytes
    lines: TextFunction
    """Those of one series, out of its escaped label values and its numbers."""


class Exposition:
    """The metrics of `thread.telemetry` in the format of one encoder.

    `created` is when all counters were zero, in seconds since the Unix epoch, None to leave that out. The text of a
    series is kept until its numbers change: of a thousand locks few are waited for between two scrapes. Safe to use
    from any thread.
    """

    def __init__(self, encoder: Encoder, created: float | None, *, with_exemplars: bool) -> None:
        self._families = [_Family(metric, encoder, created, with_exemplars) for metric in METRICS]

    def parts(self, samples: Samples) -> Iterator[bytes]:
        """The text piece by piece."""
        began = 0.0
        for family in self._families:
            series = family.series(samples)
            written: list[tuple[bytes, ...]] = []
            while some := list(islice(series, _AT_ONCE)):
                written += some
                if monotonic() - began > _TURN:
                    sleep(0)
                    began = monotonic()
            for header, texts in zip(family.headers, zip(*written) if written else repeat(())):
                yield header
                yield from texts


class _Family:
    """One metric in one format."""

    def __init__(
        self,
        metric: NumberMetric | HistogramMetric,
        encoder: Encoder,
        created: float | None,
        with_exemplars: bool,
    ) -> None:
        self._has_exemplars = with_exemplars
        sections = tuple(_sections(metric, encoder, created))
        self.headers = [section.header for section in sections]
        self._lines = [section.lines for section in sections]
        self._metric = metric
        self._known: dict[Attributes, tuple[object, tuple[bytes, ...]]] = {}

    def series(self, samples: Samples) -> Iterator[tuple[bytes, ...]]:
        """What stands under each of the headers, for each series."""
        if len(self._known) > _MAX_KNOWN:
            # Most are of processes that are gone.
            self._known.clear()
        if isinstance(self._metric, HistogramMetric):
            return self._distributions(self._metric, samples)
        return self._numbers(samples.numbers(self._metric))

    def _numbers(self, series: Iterable[tuple[Attributes, float]]) -> Iterator[tuple[bytes, ...]]:
        known = self._known
        for attributes, number in series:
            last, texts = known.get(attributes, _UNKNOWN)
            if last != number:
                written = number if isinstance(number, int) else _float(number)
                texts = self._written(attributes, (written,))
                known[attributes] = number, texts
            yield texts

    def _distributions(self, metric: HistogramMetric, samples: Samples) -> Iterator[tuple[bytes, ...]]:
        known = self._known
        for attributes, histogram in samples.histograms(metric):
            found = samples.exemplars(metric.name, attributes) if self._has_exemplars else None
            state = histogram.count, histogram.sum, found
            last, texts = known.get(attributes, _UNKNOWN)
            if last != state:
                texts = self._written(attributes, (*accumulate(histogram.buckets), _float(histogram.sum)))
                if found:
                    texts = _with_exemplars(texts[0], metric, found), *texts[1:]
                known[attributes] = state, texts
            yield texts

    def _written(self, attributes: Attributes, numbers: tuple[object, ...]) -> tuple[bytes, ...]:
        labels = [*map(_escaped, attributes)]
        return tuple([lines(*labels, *numbers).encode() for lines in self._lines])


_UNKNOWN: Final[tuple[object, tuple[bytes, ...]]] = (None, ())


def _with_exemplars(text: bytes, metric: HistogramMetric, found: Mapping[int, Exemplar]) -> bytes:
    lines = text.split(b"\n")
    for index, (first, last) in enumerate(metric.buckets):
        exemplar = latest(found, first, last)
        if exemplar is not None:
            lines[index] += _exemplar(exemplar)
    return b"\n".join(lines)


def _exemplar(exemplar: Exemplar) -> bytes:
    labels = ",".join([f'{name}="{value}"' for name, value in exemplar.labels.items()])
    return f" # {{{labels}}} {_float(exemplar.value)} {exemplar.at}".encode()


@lru_cache(maxsize=10_000)
def _escaped(value: str | int) -> str:
    return label_value(str(value)).replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


class _Registry:
    """A registry of one family."""

    def __init__(self, family: Metric) -> None:
        self._family = family

    def collect(self) -> Iterator[Metric]:
        return iter([self._family])


def _sections(
    metric: NumberMetric | HistogramMetric, encoder: Encoder, created: float | None
) -> Iterator[_Section]:
    family, numbers = empty_family(metric), 1
    labels = [f"\x00{index}\x00" for index, _ in enumerate(metric.attributes)]
    # Each number is its place in the row of numbers that `_Family` makes.
    if isinstance(metric, HistogramMetric):
        numbers = len(Histogram.bounds) + 2
        buckets = [(edge, last) for edge, (_, last) in zip(edges(metric), metric.buckets)]
        add_distribution(family, labels, buckets, numbers - 1, None if created is None else numbers)
    else:
        add_number(family, labels, 0, None if created is None else numbers)
    # One number more stands for when it was created, the same for all series.
    constants = {} if created is None else {numbers: _float(created)}
    lines = encoder(_Registry(family)).decode().splitlines(keepends=True)
    header = ""
    for is_header, group in groupby(lines, lambda line: line.startswith("#")):
        if is_header:
            header = "".join(group)
            continue
        pieces: list[str | int] = []
        for line in group:
            pieces += _pieces(line, len(labels), constants)
        yield _Section(header.encode(), text_function(pieces, len(labels) + numbers))


def _pieces(line: str, labels: int, constants: Mapping[int, str]) -> Iterator[str | int]:
    series, _, number = line.rstrip("\n").rpartition(" ")
    for position, piece in enumerate(_LABEL.split(series)):
        yield int(piece) if position % 2 else piece
    place = int(float(number))
    yield from (" ", constants.get(place, labels + place), "\n")
