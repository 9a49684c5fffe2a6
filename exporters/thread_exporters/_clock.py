"""Clocks that go on where a test has stopped those of `time`.

freezegun looks for functions of `time`, by identity; time-machine changes some of them in their place, and with them
CLOCK_REALTIME.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Final

monotonic: Final = partial(time.clock_gettime, time.CLOCK_MONOTONIC)
"""Seconds since some point in the past."""

_wall_ns: Final[Callable[[], int]] = partial(time.clock_gettime_ns, time.CLOCK_REALTIME)
_APART_NS: Final = 100_000_000

if sys.platform == "linux":
    # CLOCK_REALTIME_COARSE: the same clock, as of the last tick of the kernel, which comes 100 times a second or more.
    _coarse_ns: Final[Callable[[], int]] = partial(time.clock_gettime_ns, 5)

    def time_ns() -> int:
        """Nanoseconds since the epoch."""
        wall, coarse = _wall_ns(), _coarse_ns()
        return wall if abs(wall - coarse) < _APART_NS else coarse

else:
    time_ns = _wall_ns
