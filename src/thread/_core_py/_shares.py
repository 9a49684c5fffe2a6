"""How long the owners of one lock kept it while others waited, and which part of that each waiter met.

A change of owner adds to one total, however many threads wait. The totals are noted when a wait begins, and the
difference is taken when it ends. Only the owner writes them, while it has the lock; a waiter that sees it somewhere
leaves word of that, for the owner to see to when it next does.
"""

from __future__ import annotations

from collections import deque

from .._inspection.naming import GIL_SITE, RawSite


class Share:
    """The part of one waiter."""

    __slots__ = ("noted", "started")

    def __init__(self, started: int) -> None:
        self.started = started
        self.noted: dict[RawSite, int] = {}
        """The totals at the beginning of the wait."""


class Look:
    """When and where a waiter saw the owner."""

    __slots__ = ("at", "begins", "share", "site")

    def __init__(self, at: int, site: RawSite, share: Share, begins: bool) -> None:
        self.at = at
        self.site = site
        self.share = share
        self.begins = begins
        """Whether the wait began with this look."""


class Totals:
    """How long the owners at each site kept one lock."""

    __slots__ = ("_kept", "_looks", "_since", "site")

    def __init__(self, kept: dict[RawSite, int], since: int, site: RawSite | None) -> None:
        self._kept = kept
        self._since = since
        self._looks: deque[Look] = deque()
        self.site = site
        """Where the owner was last seen; None if nobody has looked since it became the owner."""

    def look(self, at: int, site: RawSite, share: Share, *, begins: bool) -> None:
        """Leave word where the owner is, and whether a wait begins."""
        self._looks.append(Look(at, site, share, begins))

    def withdraw(self, share: Share) -> None:
        """Forget what a waiter that leaves has left word of, if the owner did not see to it."""
        for look in tuple(self._looks):
            if look.share is share:
                try:
                    self._looks.remove(look)
                except (ValueError, IndexError):
                    pass

    def charge(self, site: RawSite, until: int) -> None:
        """Charge the owner, who is at that site unless it was seen elsewhere, with the time until then."""
        while self._looks:
            try:
                self._charge_look(self._looks.popleft())
            except IndexError:
                break
        self._add(self.site or site, until)

    def parts(self, share: Share, until: int) -> dict[RawSite, int]:
        """Who kept the lock for how long during a wait, which ends now and for which all is charged.

        They add up to the wait, whatever happens in other threads meanwhile. What remains is time in which nobody had
        the lock.
        """
        parts: dict[RawSite, int] = {}
        left = until - share.started
        for site, nanoseconds in self._kept.copy().items():
            part = min(max(nanoseconds - share.noted.get(site, 0), 0), left)
            if part and site != GIL_SITE:
                parts[site] = part
                left -= part
        if left:
            parts[GIL_SITE] = left
        return parts

    def preview(self, site: RawSite, until: int) -> Totals:
        """The totals as they would be if the owner were charged now; for those who do not have the lock."""
        totals = Totals(self._kept.copy(), self._since, self.site)
        totals._looks = self._looks.copy()
        totals.charge(site, until)
        return totals

    def _charge_look(self, look: Look) -> None:
        self._add(self.site or look.site, look.at)
        self.site = None if look.site == GIL_SITE else look.site
        if look.begins:
            look.share.noted = self._kept.copy()

    def _add(self, site: RawSite, until: int) -> None:
        if until > self._since:
            self._kept[site] = self._kept.get(site, 0) + until - self._since
            self._since = until
