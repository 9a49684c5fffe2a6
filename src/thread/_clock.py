"""The one place where points of the monotonic clock, which all records use, become points of Unix time."""

from __future__ import annotations

from time import time_ns

from ._backend import core

_ATTEMPTS = 5
_STEP_NS = 1_000_000

_offset_ns = 0


def calibrate() -> None:
    """Follow the wall clock where somebody set it.

    The offset between the clocks is kept unless it changed by more than measuring it can account for. So a point in
    time has the same Unix time in all snapshots and spans, to the last digit.
    """
    global _offset_ns
    offset, uncertainty = min((_measure() for _ in range(_ATTEMPTS)), key=lambda measured: measured[1])
    if abs(offset - _offset_ns) > _STEP_NS + uncertainty:
        _offset_ns = offset


def _measure() -> tuple[int, int]:
    """The offset, and how far it may be off because another thread ran between the readings."""
    before = core.monotonic_ns()
    wall = time_ns()
    after = core.monotonic_ns()
    return wall - (before + after) // 2, after - before


def unix_time(monotonic_ns: int) -> float:
    """Seconds since the epoch of a point of the monotonic clock, as of the last `calibrate`."""
    return (monotonic_ns + _offset_ns) / 1e9


calibrate()
