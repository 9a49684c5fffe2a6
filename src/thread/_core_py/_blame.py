"""Blame: waits for each identity, by the site that waited and the site of the owner."""

from __future__ import annotations

from typing import Final

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


_blames: dict[tuple[Identity, RawSite, RawSite], Blame] = {}


def blame_of(identity: Identity, acquire_site: RawSite, owner_site: RawSite) -> Blame:
    """The totals to add to, those of `other` if there are too many."""
    blame = _blames.get((identity, acquire_site, owner_site))
    if blame is None:
        if len(_blames) >= MAX_ROWS:
            note_cap()
            acquire_site = owner_site = OTHER_SITE
        blame = _blames.setdefault((identity, acquire_site, owner_site), Blame())
    return blame


def read_blame() -> list[BlameRow]:
    """One row per identity, acquire site and owner site."""
    settle()
    return [
        BlameRow(identity.name, identity.kind, acquire_site, owner_site, blame.count, blame.waited_ns)
        for (identity, acquire_site, owner_site), blame in list(_blames.items())
    ]


on_reset(_blames.clear)
