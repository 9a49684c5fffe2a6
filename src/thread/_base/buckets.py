"""Buckets of all duration histograms. Their bounds are powers of two seconds."""

from __future__ import annotations

from math import frexp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

MIN_EXPONENT: Final = -24
"""The first bound is 2^-24 s (60 ns), about what an empty critical section is held for."""

MAX_EXPONENT: Final = 16
"""The last bound is 2^16 s (18 h); longer durations fall into the overflow bucket."""

BUCKET_COUNT: Final = MAX_EXPONENT - MIN_EXPONENT + 2


def bucket_index(nanoseconds: int) -> int:
    """The bucket of a duration; each bucket includes its upper bound."""
    if nanoseconds <= 0:
        return 0
    mantissa, exponent = frexp(nanoseconds * 1e-9)
    if mantissa == 0.5:
        exponent -= 1
    return min(max(exponent - MIN_EXPONENT, 0), BUCKET_COUNT - 1)
