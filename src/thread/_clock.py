"""The one place where points of the monotonic clock, which all records use, become points of Unix time."""

from __future__ import annotations

from ._backend import core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

time_ns: Final = core.time_ns

_STEP_NS = 1_000_000

_offset_ns = 0


def calibrate() -> None:
    """Follow the wall clock where somebody set it.

    The offset between the clocks is kept unless it changed by more than measuring it can account for, even where
    another thread ran between the readings. So a point in time has the same Unix time in all snapshots and spans, to
    the last digit.
    """
    global _offset_ns
    before = core.monotonic_ns()
    wall = time_ns()
    after = core.monotonic_ns()
    offset = wall - (before + after) // 2
    if abs(offset - _offset_ns) > _STEP_NS + (after - before):
        _offset_ns = offset


def monotonic() -> float:
    """Seconds by the clock that records use. It goes on where a test has stopped that of the module `time`."""
    return core.monotonic_ns() * 1e-9


def unix_time(monotonic_ns: int) -> float:
    """Seconds since the epoch of a point of the monotonic clock, as of the last `calibrate`."""
    return (monotonic_ns + _offset_ns) / 1e9


calibrate()
