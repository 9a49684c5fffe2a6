"""Time that the owners of one lock kept it while others waited, and the share of it that each waiter met.

A change of owner adds to one total, however many threads wait. The totals are noted when a wait begins, and the
difference is taken when it ends. Only the owner writes them, while it has the lock; a waiter that sees the owner
somewhere leaves a note, which the owner adds when it next writes.
"""

from __future__ import annotations

from collections import deque

from .._inspection.naming import GIL_SITE, RawSite


class Shares:
    """The share of one waiter."""

    __slots__ = ("noted", "started")

    def __init__(self, started: int) -> None:
        self.started = started
        self.noted: dict[RawSite, int] = {}
        """The totals at the beginning of the wait."""


class Look:
    """Time and site at which a waiter saw the owner."""

    __slots__ = ("at", "begins", "shares", "site")

    def __init__(self, at: int, site: RawSite, shares: Shares, begins: bool) -> None:
        self.at = at
        self.site = site
        self.shares = shares
        self.begins = begins
        """True if the wait began with this look."""


class Totals:
    """Time that the owners at each site kept one lock."""

    __slots__ = ("_kept", "_looks", "charged_until", "owner_site")

    def __init__(self, kept: dict[RawSite, int], charged_until: int, owner_site: RawSite | None) -> None:
        self._kept = kept
        self._looks: deque[Look] = deque()
        self.charged_until = charged_until
        self.owner_site = owner_site
        """Site at which the owner was last seen; None if nobody has looked since it became the owner."""

    def look(self, at: int, site: RawSite, shares: Shares, *, begins: bool) -> None:
        """Note the site of the owner, and that a wait begins."""
        self._looks.append(Look(at, site, shares, begins))

    def withdraw(self, shares: Shares) -> None:
        """Take back the notes of a waiter that leaves, as far as the owner has not added them."""
        for look in tuple(self._looks):
            if look.shares is shares:
                try:
                    self._looks.remove(look)
                except (ValueError, IndexError):
                    pass

    def charge(self, site: RawSite, until: int) -> None:
        """Charge the owner, which is at that site unless it was seen elsewhere, with the time until then."""
        while self._looks:
            try:
                self._charge_look(self._looks.popleft())
            except IndexError:
                break
        self._add(self.owner_site or site, until)

    def parts(self, shares: Shares, until: int) -> dict[RawSite, int]:
        """Nanoseconds that each site kept the lock during a wait that ends now and for which everything is charged.

        They add up to the wait, whatever happens in other threads meanwhile. Nobody had the lock in the rest.
        """
        parts: dict[RawSite, int] = {}
        left = until - shares.started
        for site, nanoseconds in self._kept.copy().items():
            part = min(max(nanoseconds - shares.noted.get(site, 0), 0), left)
            if part and site != GIL_SITE:
                parts[site] = part
                left -= part
        if left:
            parts[GIL_SITE] = left
        return parts

    def preview(self, site: RawSite, until: int) -> Totals:
        """The totals as they would be if the owner were charged now; for threads that do not have the lock."""
        totals = Totals(self._kept.copy(), self.charged_until, self.owner_site)
        totals._looks = self._looks.copy()
        totals.charge(site, until)
        return totals

    def _charge_look(self, look: Look) -> None:
        self._add(self.owner_site or look.site, look.at)
        self.owner_site = None if look.site == GIL_SITE else look.site
        if look.begins:
            look.shares.noted = self._kept.copy()

    def _add(self, site: RawSite, until: int) -> None:
        if until > self.charged_until:
            self._kept[site] = self._kept.get(site, 0) + until - self.charged_until
            self.charged_until = until
