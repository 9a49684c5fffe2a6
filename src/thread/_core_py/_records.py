"""The totals of each lock identity, and who waited for whom."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from math import log
from random import Random
from sys import getrefcount
from typing import Final

from .._base.accumulator import Accumulator
from .._base.atomic import Counter
from .._base.buckets import bucket_index
from .._base.histogram_counts import HistogramCounts, RawHistogram
from .._inspection.naming import OTHER_SITE, RawSite
from ._state import Settings, is_internal_error, monotonic_ns, on_configure, on_reset

MAX_SITES: Final = 2000
MAX_IDENTITIES: Final = 2000
MAX_BLAMES: Final = 8000
NEVER: Final = sys.maxsize

_random = Random()


class Identity:
    """All locks given one name, or created at one place."""

    __slots__ = (
        "_own_references",
        "acquired",
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
        "waiting",
    )

    def __init__(self, name: str, kind: str, location: str, object_name: str) -> None:
        self.name = name
        self.object_name = object_name
        self.kind = kind
        self.location = location
        # Each lock refers to it, so that when a lock goes no Python code has to run, in which what a signal handler
        # raises would be lost.
        self.token = object()
        self._own_references = getrefcount(self.token)
        self.waiting: dict[object, int] = {}
        self.acquired = Counter()
        self.zero()

    def zero(self) -> None:
        self.acquired.reset()
        self.count_acquisition = self.acquired.add
        self.contentions = 0
        self.timeouts = 0
        self.wait = HistogramCounts()
        self.hold = HistogramCounts()
        self.draw_next_sample(0)

    @property
    def live(self) -> int:
        """How many such locks exist."""
        return getrefcount(self.token) - self._own_references

    def is_unused(self) -> bool:
        """No lock of it exists, and nothing happened to one since everything was zeroed."""
        return not self.live and not self.acquired.value and not self.wait.count

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


_identities: dict[tuple[str, str], Identity] = {}
_sites: dict[RawSite, RawSite] = {}
_blames: dict[tuple[Identity, RawSite, RawSite], list[int]] = {}
_capped = [False]

unobserved = Identity("", "", "", "")
"""Counts for the telemetry's own locks, shown to nobody."""


def identity_named(name: str, kind: str, location: str, object_name: str) -> Identity:
    """The one identity of that name and kind, `other` when there are too many.

    `object_name` is what `name` begins with: the object that the lock is a part of, or the lock itself.
    """
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


def site_interned(site: RawSite) -> RawSite:
    """The site itself, `other` when there are too many."""
    if site not in _sites and len(_sites) >= MAX_SITES:
        note_cap()
        return OTHER_SITE
    return _sites.setdefault(site, site)


def note_cap() -> None:
    """Something has to be counted under `other`."""
    _capped[0] = True


def sites_capped() -> bool:
    """Whether something had to be counted under `other`."""
    return _capped[0]


Share = tuple[RawSite, RawSite, int, int]
"""Acquire site, owner site, whether this owner was not met before (1 or 0), and nanoseconds."""
Wait = tuple[Identity, str, int, list[Share]]
"""Identity, outcome, duration, and the share of it for each owner met."""


def _fold_wait(wait: Wait) -> None:
    identity, outcome, duration, shares = wait
    while shares:
        acquire_site, owner_site, count, nanoseconds = shares[-1]
        blame = _blame_of(identity, acquire_site, owner_site)
        blame[0] += count
        blame[1] += nanoseconds
        # Gone before anything can interrupt, so that what is folded anew lacks what was added already.
        shares.pop()
    bucket = bucket_index(duration)
    identity.wait.put(duration, bucket)
    identity.contentions += outcome == "acquired"
    identity.timeouts += outcome == "timed out"


def _blame_of(identity: Identity, acquire_site: RawSite, owner_site: RawSite) -> list[int]:
    blame = _blames.get((identity, acquire_site, owner_site))
    if blame is None:
        if len(_blames) >= MAX_BLAMES:
            note_cap()
            acquire_site = owner_site = OTHER_SITE
        blame = _blames.setdefault((identity, acquire_site, owner_site), [0, 0])
    return blame


waits = Accumulator(_fold_wait)
holds = Accumulator(lambda hold: hold[0].hold.add(hold[1]))


def record_hold(identity: Identity, duration: int) -> None:
    """Add how long a lock was held."""
    try:
        holds.add((identity, duration))
    except Exception as error:
        if not is_internal_error(error):
            raise


def read_locks() -> list[tuple[str, str, str, int, int, int, int, RawHistogram | None, RawHistogram | None, int, int]]:
    """A row per identity: name, kind, location, live, acquisitions, contentions, timeouts, wait, hold, waiters, age."""
    waits.settle()
    holds.settle()
    now = monotonic_ns()
    rows = []
    for identity in list(_identities.values()):
        if identity.is_unused():
            continue
        since = list(identity.waiting.values())
        rows.append(
            (
                identity.name,
                identity.kind,
                identity.location,
                identity.live,
                identity.acquired.value,
                identity.contentions,
                identity.timeouts,
                identity.wait.read(),
                identity.hold.read(),
                len(since),
                now - min(since, default=now),
            )
        )
    return rows


def read_blame() -> list[tuple[str, str, RawSite, RawSite, int, int]]:
    """One row per lock, acquire site and owner site: with how many waits met that owner, and nanoseconds waited."""
    waits.settle()
    return [
        (identity.name, identity.kind, acquire_site, owner_site, count, nanoseconds)
        for (identity, acquire_site, owner_site), (count, nanoseconds) in list(_blames.items())
    ]


@on_configure
def _redraw_samples(changed: Mapping[str, int]) -> None:
    if "hold_sampling" in changed:
        for identity in list(_identities.values()):
            identity.draw_next_sample(identity.acquired.value)


@on_reset
def _zero() -> None:
    waits.reset()
    holds.reset()
    _blames.clear()
    unobserved.zero()
    for identity in _identities.values():
        identity.zero()
