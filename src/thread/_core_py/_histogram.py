"""Counts of durations while they grow."""

from __future__ import annotations

from .._base.buckets import BUCKET_COUNT, bucket_index
from .._base.uninterrupted import entered_at_once
from .._rows import HistogramRow


class HistogramCounts:
    """Counts of durations, in nanoseconds."""

    __slots__ = ("buckets", "count", "max_ns", "sum_ns")

    def __init__(self) -> None:
        self.count = 0
        self.sum_ns = 0
        self.max_ns = 0
        self.buckets = [0] * BUCKET_COUNT

    def add(self, duration: int) -> None:
        """Count one, at once: an interrupted call has either added nothing or everything."""
        self.put(duration, bucket_index(duration))

    @entered_at_once
    def put(self, duration: int, bucket: int) -> None:
        """Count one whose bucket is known, without a look for signals."""
        if duration < 0:
            duration = 0
        self.count += 1
        self.sum_ns += duration
        if duration > self.max_ns:
            self.max_ns = duration
        self.buckets[bucket] += 1

    def read(self) -> HistogramRow | None:
        """A copy, or None while nothing was recorded."""
        return HistogramRow(self.count, self.sum_ns, self.max_ns, tuple(self.buckets)) if self.count else None
