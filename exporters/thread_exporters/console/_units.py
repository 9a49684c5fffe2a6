"""Formatting of numbers, names and times for people."""

from __future__ import annotations

import time
from typing import Final

_UNITS: Final = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_MINUTES_FROM: Final = 120.0
_HOURS_FROM: Final = 7200.0


def duration(seconds: float, digits: int = 3) -> str:
    """Format a duration with `digits` significant digits: `1.23 ms`, `2 min 5 s` or `2 h 10 min`."""
    if seconds >= _HOURS_FROM:
        return "{} h {} min".format(*divmod(round(seconds / 60), 60))
    if seconds >= _MINUTES_FROM:
        return "{} min {} s".format(*divmod(round(seconds), 60))
    if seconds <= 0:
        return "0 s"
    # Round before choosing the unit, or 999.9 µs would read 1000 µs.
    rounded = float(f"{seconds:.{digits - 1}e}")
    scale, unit = next((step for step in _UNITS if rounded >= step[0]), _UNITS[-1])
    number = rounded / scale
    decimals = max(digits - len(str(int(number))), 0)
    return f"{number:.{decimals}f} {unit}"


def quantity(number: int, thing: str) -> str:
    """Format a count: `1 thread`, `1,200 threads`."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def clock(unix_time: float) -> str:
    """Format the local time of day."""
    return time.strftime("%H:%M:%S", time.localtime(unix_time))


def printable(text: str) -> str:
    """Escape everything that would break the line, move the cursor, change colours or cannot be encoded."""
    return text if text.isprintable() else "".join(map(_printable, text))


def _printable(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode()
