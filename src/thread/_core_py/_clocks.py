"""The clocks of the system, taken from where no test tool that stops the time replaces them.

freezegun replaces functions of `time` by identity, in whichever module they are found; time-machine changes some of
them, among them the wall clock, in their place. Neither touches `clock_gettime_ns` for any other clock.
"""

from __future__ import annotations

import sys
import time
from functools import partial

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

monotonic_ns: Final[Callable[[], int]] = partial(time.clock_gettime_ns, time.CLOCK_MONOTONIC)

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

__all__ = ["monotonic_ns", "time_ns"]
