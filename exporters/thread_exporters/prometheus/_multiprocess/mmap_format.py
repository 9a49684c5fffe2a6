"""The file format of prometheus_client's MultiProcessCollector."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from struct import Struct
from typing import Final

from prometheus_client.mmap_dict import mmap_key

from ..._schema.metrics import METRICS, HistogramMetric, NumberMetric
from ..._schema.points import Attributes
from .._format.families import edges, label_values
from .._format.samples import Samples

_HEADER: Final = Struct("i4x")
_LENGTH: Final = Struct("i")
_VALUES: Final = 16
"""Size in bytes of the number and the timestamp of an entry."""


def is_whole(content: bytes) -> bool:
    """Check that the lengths in a file are consistent. prometheus_client may loop forever if they are not."""
    if len(content) < _HEADER.size:
        return False
    used, position = _HEADER.unpack_from(content)[0], _HEADER.size
    if used > len(content):
        return False
    while position < used:
        if position + _LENGTH.size > used:
            return False
        length = _LENGTH.unpack_from(content, position)[0]
        position += _LENGTH.size + length + 8 - (length + _LENGTH.size) % 8 + _VALUES
        if length < 0 or position > used:
            return False
    return True


class ClientFiles:
    """The content of these files for one process. Not thread-safe."""

    def __init__(self) -> None:
        self._entries: dict[tuple[str, Attributes], _Entries] = {}

    def contents(self, samples: Samples) -> Iterator[tuple[str, bytes]]:
        """Yield the stem of the name and the content of each file."""
        written: dict[str, list[bytes]] = {}
        for metric in METRICS:
            written.setdefault(stem_of(metric), []).extend(self._written(metric, samples))
        for stem, entries in written.items():
            size = sum(map(len, entries))
            yield stem, b"".join([_HEADER.pack(_HEADER.size + size), *entries])

    def _written(self, metric: NumberMetric | HistogramMetric, samples: Samples) -> Iterator[bytes]:
        if isinstance(metric, HistogramMetric):
            for attributes, histogram in samples.histograms(metric):
                numbers = [*metric.counts(histogram), histogram.sum]
                yield self._entries_of(metric, attributes).with_numbers(numbers)
        else:
            for attributes, number in samples.numbers(metric):
                yield self._entries_of(metric, attributes).with_numbers([number])

    def _entries_of(self, metric: NumberMetric | HistogramMetric, attributes: Attributes) -> _Entries:
        entries = self._entries.get((metric.name, attributes))
        if entries is None:
            entries = self._entries[metric.name, attributes] = _Entries(_keys(metric, attributes))
        return entries


class _Entries:
    """The entries of one series, each with the length of its key, the key, the number, and an unused timestamp."""

    def __init__(self, keys: Iterable[str]) -> None:
        padded = [_padded(key) for key in keys]
        self._struct = _struct(tuple(map(len, padded)))
        self._fields: list[bytes | float] = [field for key in padded for field in (key, 0.0, 0.0)]

    def with_numbers(self, numbers: list[float]) -> bytes:
        self._fields[1::3] = numbers
        return self._struct.pack(*self._fields)


@lru_cache(maxsize=1_000)
def _struct(lengths: tuple[int, ...]) -> Struct:
    return Struct("=" + "".join([f"{length}sdd" for length in lengths]))


def stem_of(metric: NumberMetric | HistogramMetric) -> str:
    """Return the stem of the name of the file that holds a metric. Files that begin with `gauge_live` are temporary."""
    if isinstance(metric, HistogramMetric) or metric.instrument == "counter":
        return metric.instrument
    return f"gauge_live{metric.across_processes}"


def _keys(metric: NumberMetric | HistogramMetric, attributes: Attributes) -> Iterator[str]:
    labels = dict(zip(metric.prometheus_labels, label_values(attributes)))
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
