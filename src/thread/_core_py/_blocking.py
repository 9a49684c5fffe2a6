"""Waits for conditions, queues and the like: durations for each kind, name and site.

The row of a wait is looked up before the wait begins. Work after its end would delay the thread that was waited for.
"""

from __future__ import annotations

import sys
from _thread import get_ident
from _weakref import ref
from typing import Final

from .._inspection.naming import OTHER_SITE, RawSite
from .._rows import BlockingWaitRow
from ._blocking_sites import blocking_of
from ._histogram import HistogramCounts
from ._runtime import (
    Settings,
    accumulator,
    checked_name,
    is_internal_error,
    is_untracked,
    monotonic_ns,
    on_reset,
    settle,
)

MAX_ROWS: Final = 2000

Key = tuple[str, str, RawSite]
"""Kind, name and site."""

_totals: dict[Key, HistogramCounts] = {}


def _fold(wait: tuple[Key, int]) -> None:
    key, duration = wait
    counts = _totals.get(key)
    if counts is None:
        if len(_totals) >= MAX_ROWS:
            kind, _, _ = key
            key = (kind, "other", OTHER_SITE)
        counts = _totals.setdefault(key, HistogramCounts())
    counts.add(duration)


_waits = accumulator(_fold)


class BlockingRow:
    """Destination of a wait that has ended. Without a key it records nothing."""

    __slots__ = ("key",)

    def __init__(self, key: Key | None) -> None:
        self.key = key

    def begin(self) -> BlockingWait:
        """A wait of this thread that begins now, and is seen until its end or until it is dropped."""
        wait = BlockingWait(self.key)
        _current[id(wait)] = ref(wait)
        return wait

    def add_since(self, began: int, /) -> int | None:
        """Add a wait that ends now and began at that reading of `monotonic_ns`.

        Returns its duration in nanoseconds if it was a slow one and somebody wants evidence.
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


class BlockingWait:
    """A wait in progress."""

    __slots__ = ("__weakref__", "began", "ident", "key")

    def __init__(self, key: Key | None) -> None:
        self.key = key
        self.ident = get_ident()
        self.began = monotonic_ns()

    def end(self) -> None:
        """No longer be seen waiting."""
        _current.pop(id(self), None)


_current: dict[int, ref[BlockingWait]] = {}
"""Waits in progress, and some that a signal handler interrupted, which have no end and are found dead."""


def blocking_row(kind: str, name: str | None, library: tuple[str, ...] | None = None, /) -> BlockingRow:
    """The row of a wait that is about to begin, in a method that the telemetry has replaced.

    `kind` gives way to what a function nearer to the program was declared to wait for. `name` is the name of what is
    waited for, and `library` holds the folders of the library that made it.
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


def read_blocking() -> list[BlockingWaitRow]:
    """One row per kind, name and site."""
    settle()
    began = _beginnings()
    now = monotonic_ns()
    rows = []
    for key in _totals.copy() | began:
        counts, since = _totals.get(key), began.get(key, [])
        duration = None if counts is None else counts.read()
        rows.append(BlockingWaitRow(*key, duration, len(since), now - min(since, default=now)))
    return rows


def _beginnings() -> dict[Key, list[int]]:
    """When the waits in progress began."""
    began: dict[Key, list[int]] = {}
    for number, reference in list(_current.items()):
        wait = reference()
        if wait is None:
            if _current.get(number) is reference:
                _current.pop(number, None)
        elif wait.key is not None:
            key = wait.key if wait.key in _totals or len(_totals) < MAX_ROWS else (wait.key[0], "other", OTHER_SITE)
            began.setdefault(key, []).append(wait.began)
    return began


def forget_other_threads() -> None:
    """Of the waits of the parent's threads, keep only those of this one."""
    me = get_ident()
    for number, reference in list(_current.items()):
        wait = reference()
        if wait is None or wait.ident != me:
            _current.pop(number, None)


on_reset(_totals.clear)
