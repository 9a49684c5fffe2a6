"""How long the program waited for conditions, queues and the like: a row for each kind, name and site.

Whoever waits has the row looked up before it does, since what comes after the wait delays the thread that was waited
for.
"""

from __future__ import annotations

import sys
from typing import Final

from .._base.accumulator import Accumulator
from .._base.histogram_counts import HistogramCounts, RawHistogram
from .._inspection.naming import OTHER_SITE, RawSite
from ._names import checked_name
from ._places import blocking_of
from ._state import Settings, is_internal_error, is_untracked, monotonic_ns, on_reset

MAX_ROWS: Final = 2000

Key = tuple[str, str, RawSite]
"""Kind, name and site."""

_totals: dict[Key, HistogramCounts] = {}


def _fold(wait: tuple[Key, int]) -> None:
    key, duration = wait
    counts = _totals.get(key)
    if counts is None:
        if len(_totals) >= MAX_ROWS:
            key = (key[0], "other", OTHER_SITE)
        counts = _totals.setdefault(key, HistogramCounts())
    counts.add(duration)


_waits = Accumulator(_fold)


class BlockingRow:
    """What a wait is added to when it has ended. Without a key, it is not recorded."""

    __slots__ = ("key",)

    def __init__(self, key: Key | None) -> None:
        self.key = key

    def add_since(self, began: int, /) -> int | None:
        """Add a wait that has ended now, and began at that time by `monotonic_ns`.

        Returns its duration in nanoseconds if it was a slow one of which somebody wants evidence.
        """
        duration = monotonic_ns() - began
        if self.key is None:
            return None
        try:
            _waits.add((self.key, duration))
        except Exception as error:
            if not is_internal_error(error):
                raise
        return duration if Settings.listening and duration >= Settings.slow_wait_ns else None


_unrecorded = BlockingRow(None)


def blocking_row(kind: str, name: str | None, library: tuple[str, ...] | None = None, /) -> BlockingRow:
    """The row of a wait that is about to begin, which ends up in one of the methods that the telemetry has replaced.

    The kind is that one unless a function on the way to it was declared to wait for something else; the name is that
    of what is waited for, and `library` the folders of the library that made it.
    """
    try:
        found = None if is_untracked() else blocking_of(kind, sys._getframe(1), library)
        if found is not None:
            kind, site = found
            return BlockingRow((kind, checked_name(name, "wait") or "", site))
    except Exception as error:
        if not is_internal_error(error):
            raise
    return _unrecorded


def read_blocking() -> list[tuple[str, str, RawSite, RawHistogram | None]]:
    """One row per kind, name and site, with how long the waits took."""
    _waits.settle()
    return [(*key, counts.read()) for key, counts in list(_totals.items())]


@on_reset
def _zero() -> None:
    _waits.reset()
    _totals.clear()
