"""Reports as text."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence

from thread.telemetry import Event, Snapshot
from thread_exporters.console import ConsoleExporter


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def report(snapshot: Snapshot, events: Sequence[Event] = (), top: int = 10) -> str:
    """Return the report of one export."""
    file = io.StringIO()
    exporter = ConsoleExporter(file, top=top)
    exporter.export(snapshot, events)
    exporter.shutdown(5.0)
    return file.getvalue()


def squeezed(text: str) -> str:
    """Remove all white space, where lines may be broken."""
    return re.sub(r"\s", "", text)
