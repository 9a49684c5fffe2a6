"""The totals of each lock identity."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from math import log
from random import Random
from sys import getrefcount
from typing import Final

from .._base.atomic import Counter
from .._rows import LockRow
from ._histogram import HistogramCounts
from ._runtime import (
    Settings,
    accumulator,
    is_internal_error,
    monotonic_ns,
    note_cap,
    on_configure,
    on_reset,
    settle,
)

MAX_IDENTITIES: Final = 2000
NEVER: Final = sys.maxsize

_random = Random()


class Identity:
    """All locks given one name, or created by one instruction."""

    __slots__ = (
        "_own_references",
        "acquisitions",
        "contentions",
        "count_acquisition",
        "hold",
        "kind",
        "location",
        "name",
        "next_sample",
        "object_name",
        "timeouts",
        "token",
        "wait",
        "waiters",
    )

    def __init__(self, name: str, kind: str, location: str, object_name: str) -> None:
        self.name = name
        self.object_name = object_name
        """The beginning of `name`: the object that the lock is a part of, or the lock itself."""
        self.kind = kind
        self.location = location
        # Each lock refers to it, so that no Python code has to run when a lock dies: what a signal handler raised in
        # there would be lost.
        self.token = object()
        self._own_references = getrefcount(self.token)
        self.waiters: dict[object, int] = {}
        """Waits in progress, with their beginnings."""
        self.acquisitions = Counter()
        self.zero()

    def zero(self) -> None:
        """Forget everything that was counted."""
        self.acquisitions.reset()
        self.count_acquisition = self.acquisitions.add
        self.contentions = 0
        self.timeouts = 0
        self.wait = HistogramCounts()
        self.hold = HistogramCounts()
        self.draw_next_sample(0)

    @property
    def live(self) -> int:
        """Number of such locks that exist."""
        return getrefcount(self.token) - self._own_references

    def is_unused(self) -> bool:
        """True if no such lock exists and nothing happened to one since the last reset."""
        return not self.live and not self.acquisitions.value and not self.wait.count

    def draw_next_sample(self, acquisitions: int) -> None:
        """Choose the next acquisition whose hold is timed.

        A geometric distribution makes each acquisition equally likely whatever came before, so that no regular
        pattern of the program can hide from the samples or attract them.
        """
        period = Settings.hold_sampling
        if period == 0:
            self.next_sample = NEVER
        elif period == 1:
            self.next_sample = acquisitions + 1
        else:
            self.next_sample = acquisitions + 1 + int(log(1.0 - _random.random()) / log(1.0 - 1.0 / period))

    def read(self, now: int) -> LockRow:
        """The row of this identity."""
        since = list(self.waiters.values())
        return LockRow(
            name=self.name,
            kind=self.kind,
            location=self.location,
            live=self.live,
            acquisitions=self.acquisitions.value,
            contentions=self.contentions,
            timeouts=self.timeouts,
            wait=self.wait.read(),
            hold=self.hold.read(),
            waiters=len(since),
            oldest_wait_ns=now - min(since, default=now),
        )


_identities: dict[tuple[str, str], Identity] = {}

unobserved = Identity("", "", "", "")
"""Identity of the telemetry's own locks, which no reader sees."""


def identity_named(name: str, kind: str, location: str, object_name: str) -> Identity:
    """The one identity of that name and kind, `other` if there are too many."""
    identity = _identities.get((name, kind))
    if identity is None:
        if len(_identities) >= MAX_IDENTITIES:
            note_cap()
            name, location, object_name = "other", "", "other"
        identity = _identities.setdefault((name, kind), Identity(name, kind, location, object_name))
    return identity


def identity_renamed(identity: Identity, object_name: str) -> Identity:
    """The identity of the same part of an object of that name."""
    if identity is unobserved:
        return identity
    part = identity.name[len(identity.object_name) :]
    return identity_named(object_name + part, identity.kind, identity.location, object_name)


holds = accumulator(lambda hold: hold[0].hold.add(hold[1]))


def record_hold(identity: Identity, duration: int) -> None:
    """Add the time that a lock was held."""
    try:
        holds.add((identity, duration))
    except Exception as error:
        if not is_internal_error(error):
            raise


def read_locks() -> list[LockRow]:
    """One row per identity that is in use."""
    settle()
    now = monotonic_ns()
    return [identity.read(now) for identity in list(_identities.values()) if not identity.is_unused()]


@on_configure
def _redraw_samples(changed: Mapping[str, int]) -> None:
    if "hold_sampling" in changed:
        for identity in list(_identities.values()):
            identity.draw_next_sample(identity.acquisitions.value)


@on_reset
def _zero() -> None:
    unobserved.zero()
    for identity in _identities.values():
        identity.zero()
