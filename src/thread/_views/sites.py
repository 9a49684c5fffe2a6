"""Public sites of the rows of the core."""

from __future__ import annotations

from collections.abc import Iterable

from .. import _rows
from .snapshot import Site


class Sites(dict[_rows.Site, Site]):
    """Public sites by row. Equal sites of one snapshot, or of one batch of events, are one object."""

    def __missing__(self, raw: _rows.Site) -> Site:
        row = _rows.SiteRow._make(raw)
        site = self[raw] = Site(row.function, row.filename, row.line)
        return site

    def stack(self, raws: Iterable[_rows.Site]) -> tuple[Site, ...]:
        """The sites of a stack, in its order."""
        return tuple([self[raw] for raw in raws])
