"""Blame: waits for each identity, by the site that waited and the site of the owner."""

from __future__ import annotations

from typing import Final, NamedTuple

from .._inspection.naming import OTHER_SITE, RawSite
from .._rows import BlameRow
from ._identities import Identity
from ._runtime import note_cap, on_reset, settle

MAX_ROWS: Final = 8000


class Blame:
    """Waits at one site for owners at another."""

    __slots__ = ("count", "waited_ns")

    def __init__(self) -> None:
        self.count = 0
        self.waited_ns = 0


Key = tuple[Identity, RawSite, RawSite]
"""Identity, acquire site and owner site."""

_blames: dict[Key, Blame] = {}


def blame_of(identity: Identity, acquire_site: RawSite, owner_site: RawSite) -> Blame:
    """The totals to add to, those of `other` if there are too many."""
    blame = _blames.get((identity, acquire_site, owner_site))
    if blame is None:
        if len(_blames) >= MAX_ROWS:
            note_cap()
            acquire_site = owner_site = OTHER_SITE
        blame = _blames.setdefault((identity, acquire_site, owner_site), Blame())
    return blame


class Total(NamedTuple):
    """Waits at one site for owners at another, until now."""

    waits: int
    waited_ns: int


_shown: dict[Key, Total] = {}
"""The last totals that were read: a wait that ends during a read is missing from that one, and no total may fall."""


def totals_of_ended_waits() -> dict[Key, Total]:
    """A copy that others do not change."""
    settle()
    return {key: Total(blame.count, blame.waited_ns) for key, blame in list(_blames.items())}


def add_to(totals: dict[Key, Total], key: Key, nanoseconds: int) -> None:
    """Add a wait in progress to the totals."""
    if key not in totals and len(totals) >= MAX_ROWS:
        key = (key[0], OTHER_SITE, OTHER_SITE)
    waits, waited_ns = totals.get(key, (0, 0))
    totals[key] = Total(waits + 1, waited_ns + nanoseconds)


def rows_of(totals: dict[Key, Total]) -> list[BlameRow]:
    """One row per identity, acquire site and owner site."""
    for key, (waits, waited_ns) in totals.items():
        shown = _shown.get(key, Total(0, 0))
        _shown[key] = Total(max(waits, shown.waits), max(waited_ns, shown.waited_ns))
    return [
        BlameRow(identity.name, identity.kind, acquire_site, owner_site, *total)
        for (identity, acquire_site, owner_site), total in list(_shown.items())
    ]


on_reset(_blames.clear)
on_reset(_shown.clear)
