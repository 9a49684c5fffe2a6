"""Counts of durations while they are being added to."""

from __future__ import annotations

from .buckets import BUCKET_COUNT, bucket_index
from .uninterrupted import entered_at_once

RawHistogram = tuple[int, int, int, tuple[int, ...]]
"""Count, sum and maximum in nanoseconds, and one count per bucket of `Histogram`."""


class HistogramCounts:
    """Counts of durations, in nanoseconds."""

    __slots__ = ("count", "counts", "max", "sum")

    def __init__(self) -> None:
        self.count = 0
        self.sum = 0
        self.max = 0
        self.counts = [0] * BUCKET_COUNT

    def add(self, duration: int) -> None:
        """Count one duration, atomically: if an interruption raises in here, either nothing was added or everything."""
        self.put(duration, bucket_index(duration))

    @entered_at_once
    def put(self, duration: int, bucket: int) -> None:
        """The same for a caller that knows the bucket, without a check for signals."""
        if duration < 0:
            duration = 0
        self.count += 1
        self.sum += duration
        if duration > self.max:
            self.max = duration
        self.counts[bucket] += 1

    def read(self) -> RawHistogram | None:
        """A copy, or None if nothing was recorded."""
        return (self.count, self.sum, self.max, tuple(self.counts)) if self.count else None
