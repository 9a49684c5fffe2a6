"""Places in the code, from the core's tuples to the public vocabulary."""

from __future__ import annotations

from collections.abc import Iterable

from .._inspection.naming import RawSite
from .snapshot import Site


class Sites(dict[RawSite, Site]):
    """Equal sites of one snapshot, or of one batch of events, are one object."""

    def __missing__(self, raw: RawSite) -> Site:
        site = self[raw] = Site(*raw)
        return site

    def stack(self, raws: Iterable[RawSite]) -> tuple[Site, ...]:
        """The sites of a stack, in its order."""
        return tuple([self[raw] for raw in raws])
