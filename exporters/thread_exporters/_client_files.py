"""The format of the files from which prometheus_client's MultiProcessCollector makes its pages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from struct import Struct
from typing import Final

from prometheus_client.mmap_dict import mmap_key

from ._encodable import encodable
from ._families import edges
from ._metrics import METRICS, HistogramMetric, NumberMetric
from ._points import Attributes
from ._recorded import Recorded

_HEADER: Final = Struct("i4x")
_LENGTH: Final = Struct("i")
_VALUE: Final = Struct("dd")


class ClientFiles:
    """Writes them for one process. Not thread-safe."""

    def __init__(self) -> None:
        self._keys: dict[tuple[str, Attributes], list[bytes]] = {}

    def contents(self, recorded: Recorded) -> Iterator[tuple[str, bytes]]:
        """What each file begins its name with, and what is to be in it."""
        for stem in dict.fromkeys(map(stem_of, METRICS)):
            here = [metric for metric in METRICS if stem_of(metric) == stem]
            written = b"".join(chain.from_iterable(self._entries(metric, recorded) for metric in here))
            yield stem, _HEADER.pack(_HEADER.size + len(written)) + written

    def _entries(self, metric: NumberMetric | HistogramMetric, recorded: Recorded) -> Iterator[bytes]:
        if isinstance(metric, HistogramMetric):
            for attributes, histogram in recorded.histograms(metric):
                counts = [sum(histogram.buckets[first : last + 1]) for first, last in metric.buckets]
                yield from self._entry(metric, attributes, [*counts, histogram.sum])
        else:
            for attributes, number in recorded.numbers(metric):
                yield from self._entry(metric, attributes, [number])

    def _entry(
        self, metric: NumberMetric | HistogramMetric, attributes: Attributes, numbers: Iterable[float]
    ) -> Iterator[bytes]:
        keys = self._keys.get((metric.name, attributes))
        if keys is None:
            keys = self._keys[metric.name, attributes] = [_padded(key) for key in _keys(metric, attributes)]
        return chain.from_iterable(zip(keys, [_VALUE.pack(number, 0.0) for number in numbers]))


def stem_of(metric: NumberMetric | HistogramMetric) -> str:
    """What the name of the file that holds a metric begins with. What begins with `gauge_live` may be removed."""
    if isinstance(metric, HistogramMetric) or metric.instrument == "counter":
        return metric.instrument
    return f"gauge_live{metric.across_processes}"


def _keys(metric: NumberMetric | HistogramMetric, attributes: Attributes) -> Iterator[str]:
    labels = dict(zip(metric.prometheus_labels, (encodable(str(value)) for value in attributes)))
    name, description = metric.prometheus_name, metric.description
    if isinstance(metric, HistogramMetric):
        for edge in edges(metric):
            yield mmap_key(name, f"{name}_bucket", [*labels, "le"], [*labels.values(), edge], description)
        yield mmap_key(name, f"{name}_sum", [*labels], [*labels.values()], description)
    else:
        yield mmap_key(name.removesuffix("_total"), name, [*labels], [*labels.values()], description)


def _padded(key: str) -> bytes:
    encoded = key.encode()
    padding = b" " * (8 - (len(encoded) + _LENGTH.size) % 8)
    return _LENGTH.pack(len(encoded)) + encoded + padding
