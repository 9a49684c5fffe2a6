"""Bounded selection of events for the report."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import Final

from thread.telemetry import Event, Site, SlowWait, UnhandledException

_SLOW_WAITS_KEPT: Final = 5
_SITES_KEPT: Final = 1000


class Highlights:
    """The longest slow waits, one for each lock and pair of places, and the places where exceptions were raised."""

    def __init__(self) -> None:
        self.slow_waits: list[SlowWait] = []
        """Slow waits, longest first: only the longest for each lock, acquire site and owner site."""
        self.slow_waits_seen = 0
        self.raised_at: dict[tuple[str, str], Site] = {}
        """Last place that raised each exception, by type and target, for the first thousand of them."""

    def add(self, events: Iterable[Event]) -> None:
        """Keep these events if they belong to the selection."""
        longest = {_story(wait): wait for wait in self.slow_waits}
        for event in events:
            if isinstance(event, SlowWait):
                self.slow_waits_seen += 1
                known = longest.get(_story(event))
                if known is None or event.duration > known.duration:
                    longest[_story(event)] = event
            elif isinstance(event, UnhandledException):
                key = event.type, event.target
                if key in self.raised_at or len(self.raised_at) < _SITES_KEPT:
                    self.raised_at[key] = event.site
        self.slow_waits = heapq.nlargest(_SLOW_WAITS_KEPT, longest.values(), key=lambda wait: wait.duration)


def _story(wait: SlowWait) -> tuple[str, Site, Site]:
    return wait.lock, wait.acquire_site, wait.owner_site
