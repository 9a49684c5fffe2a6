"""A text on the overview for whoever sees it for the first time."""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.builders import text
from grafana_foundation_sdk.models.text import TextMode

from ._links import RUNBOOK
from ._variables import DATASOURCE

_TEXT: Final = f"""\
1. **Firing alerts** first: service, instance, culprit, and since when. The [runbook]({RUNBOOK}) has a section for each.
2. **Top contended locks**: the first row costs the most. *Waiting now* and *Oldest wait now* tell a lock that is
   never free from one that is busy. A click on its name opens the board **Lock**: who waits for whom, at which line.
3. **Time waited, by lock** says since when. 2 means that two threads do nothing but wait for that lock.
4. **Instances compared**: one line above the others is one instance with a cause of its own.

Blue marks are instances that began, red ones are alerts. A wait of less than a minute counts when it ends.
"""


def how_to_read() -> text.Panel:
    panel = text.Panel().title("How to read this board").mode(TextMode.MARKDOWN).content(_TEXT).span(24).height(6)
    return panel.description("Where to look first on this board, and next.").datasource(DATASOURCE)
