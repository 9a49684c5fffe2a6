"""Conversion from the monotonic clock, which all records use, to Unix time."""

from __future__ import annotations

from .._backend import core

_STEP_NS = 1_000_000

_offset_ns = 0


def calibrate() -> None:
    """Follow the wall clock if somebody set it.

    The offset between the clocks stays unless it changed by more than its measurement explains, even if another thread
    ran between the readings. So a point in time has the same Unix time in all snapshots and spans, to the last digit.
    """
    global _offset_ns
    before = core.monotonic_ns()
    wall = time_ns()
    after = core.monotonic_ns()
    offset = wall - (before + after) // 2
    if abs(offset - _offset_ns) > _STEP_NS + (after - before):
        _offset_ns = offset


def time_ns() -> int:
    """Nanoseconds since the epoch. Goes on when a test has stopped the clocks of the module `time`."""
    return core.time_ns()


def monotonic() -> float:
    """Seconds since some point in the past. Goes on when a test has stopped the clocks of the module `time`."""
    return core.monotonic_ns() * 1e-9


def unix_time(monotonic_ns: int) -> float:
    """Seconds since the epoch for a point of the monotonic clock, as of the last `calibrate`."""
    return (monotonic_ns + _offset_ns) / 1e9


calibrate()
