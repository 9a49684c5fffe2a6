"""Our metrics in Prometheus's text formats, exactly as prometheus_client writes them but many times faster.

prometheus_client makes an object for every line and formats it at each scrape. Here it formats one series of each
metric once, with placeholders for the parts that differ between series. We turn its output into a function from label
values and numbers to text, so that prometheus_client stays in charge of the formats.
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
"""`generate_latest` of one of the formats, which writes the page of a registry."""

_float: Final[Callable[[float], str]] = utils.floatToGoString
_LABEL: Final = re.compile("\x00([0-9]+)\x00")
_AT_ONCE: Final = 64
"""Number of series to write before checking the clock again: a fraction of a millisecond."""
_MAX_KNOWN: Final = 20_000
"""Maximum number of series per metric whose text is kept."""
_TURN: Final = 0.001
"""Seconds after which we offer the GIL to other threads. They would take it after five milliseconds anyway."""


@dataclass(frozen=True, slots=True)
class _Section:
    """The lines under one header. In some formats a family has two headers."""

    header: bytes
    lines: TextFunction
    """Function that writes one series from its escaped label values and its numbers."""


class Exposition:
    """A writer of our metrics in the format of one encoder.

    `created` is the time when all counters were zero, in seconds since the Unix epoch; None omits it. The text of a
    series is kept until its numbers change, because few of a thousand locks change between two scrapes. Safe to use
    from any thread.
    """

    def __init__(self, encoder: Encoder, created: float | None, *, with_exemplars: bool) -> None:
        self._families = [_Family(metric, encoder, created, with_exemplars) for metric in METRICS]

    def parts(self, samples: Samples) -> Iterator[bytes]:
        """Yield the text piece by piece."""
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
    """A writer of one metric in one format."""

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
        """Yield the texts of each series, one for each header."""
        if len(self._known) > _MAX_KNOWN:
            # Most belong to processes that have ended.
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
    """A registry with a single family."""

    def __init__(self, family: Metric) -> None:
        self._family = family

    def collect(self) -> Iterator[Metric]:
        return iter([self._family])


def _sections(
    metric: NumberMetric | HistogramMetric, encoder: Encoder, created: float | None
) -> Iterator[_Section]:
    family, numbers = empty_family(metric), 1
    labels = [f"\x00{index}\x00" for index, _ in enumerate(metric.attributes)]
    # Each placeholder number is its position in the row of numbers that `_Family` builds.
    if isinstance(metric, HistogramMetric):
        numbers = len(Histogram.bounds) + 2
        buckets = [(edge, last) for edge, (_, last) in zip(edges(metric), metric.buckets)]
        add_distribution(family, labels, buckets, numbers - 1, None if created is None else numbers)
    else:
        add_number(family, labels, 0, None if created is None else numbers)
    # One more number stands for the creation time, which is the same for all series.
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
