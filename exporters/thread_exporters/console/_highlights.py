"""What is remembered of the events until the report is written: a bounded choice, whatever their number."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import Final

from thread.telemetry import Event, Site, SlowWait, UnhandledException

_SLOW_WAITS_KEPT: Final = 5
_SITES_KEPT: Final = 1000


class Highlights:
    """The longest of the slow waits, one for each lock and pair of places, and where exceptions were raised."""

    def __init__(self) -> None:
        self.slow_waits: list[SlowWait] = []
        """Longest first. Of those with the same lock, acquire site and owner site only the longest."""
        self.slow_waits_seen = 0
        self.raised_at: dict[tuple[str, str], Site] = {}
        """The last place for each type and target of the exceptions, for the first thousand of these."""

    def add(self, events: Iterable[Event]) -> None:
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
