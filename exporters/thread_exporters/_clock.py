"""Clocks that go on where a test has stopped those of `time`: freezegun looks for functions, by identity."""

from __future__ import annotations

import time
from functools import partial
from typing import Final

monotonic: Final = partial(time.clock_gettime, time.CLOCK_MONOTONIC)
"""Seconds since some point in the past."""

time_ns: Final = partial(time.clock_gettime_ns, time.CLOCK_REALTIME)
"""Nanoseconds since the epoch."""
