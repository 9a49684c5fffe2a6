"""A frozen histogram of durations whose bucket bounds are powers of two seconds.

The bounds 2^j coincide with those of an OpenTelemetry exponential histogram of scale 0, and with the classic
`le` buckets of Prometheus, so one aggregate serves both without being replayed.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp2
from typing import ClassVar

from .._base.buckets import BUCKET_COUNT, MAX_EXPONENT, MIN_EXPONENT


@dataclass(frozen=True, slots=True)
class Histogram:
    """Durations in seconds. Immutable, hence safe to share between threads."""

    bounds: ClassVar[tuple[float, ...]] = tuple(2.0**j for j in range(MIN_EXPONENT, MAX_EXPONENT + 1))
    """Upper bounds in seconds, each included in its bucket, ascending."""

    count: int = 0
    """Number of durations."""
    sum: float = 0.0
    """Their sum in seconds."""
    max: float = 0.0
    """The longest in seconds, 0 without any."""
    buckets: tuple[int, ...] = (0,) * BUCKET_COUNT
    """One count per bound, not cumulative, and a last one for durations above the last bound."""

    def quantile(self, q: float) -> float:
        """An estimate of the `q`-quantile in seconds, 0 if nothing was recorded.

        Interpolates geometrically inside the bucket, as Prometheus does for native histograms, and never exceeds
        `max`. The estimate is within a factor of two of the truth. Raises ValueError unless 0 <= q <= 1.
        """
        if not 0.0 <= q <= 1.0:
            raise ValueError(f"a quantile lies between 0 and 1, not at {q!r}")
        if not self.count:
            return 0.0
        rank = q * self.count
        seen = 0
        for index, count in enumerate(self.buckets[:-1]):
            if count and seen + count >= rank:
                share = max(rank - seen, 0.0) / count
                return min(self.bounds[index] * exp2(share - 1.0), self.max)
            seen += count
        return self.max
