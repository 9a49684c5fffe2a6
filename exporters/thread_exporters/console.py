"""A report for a person, printed once, when telemetry is stopped.

    from thread import telemetry
    from thread_exporters.console import ConsoleExporter

    telemetry.start(ConsoleExporter())

It tells which locks were waited for and who blamed whom, the longest single waits with the stacks of both sides, what
threads ran, and which of them died of what.
"""

from __future__ import annotations

import os
import sys

# Whatever thread imports it first is taken for the main thread; rich would import it where the report is made.
import threading  # noqa: F401
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, TextIO

from thread.telemetry import Event, Snapshot

from ._highlights import Highlights

if TYPE_CHECKING:
    from rich.console import RenderableType

if find_spec("rich") is None:
    raise ModuleNotFoundError("the report is laid out by rich, which is not installed", name="rich")

__all__ = ["ConsoleExporter"]

_WIDTH_OF_FILES: Final = 120
_LEAST_WIDTH: Final = 80
_IN_ASCII: Final = str.maketrans({"µ": "u", "…": "...", "←": "<-", "─": "-", "×": "x", "–": "-"})


class ConsoleExporter:
    """Prints a report to `file` on shutdown, or else to what is `sys.stderr` by then.

    Tables end after `top` rows and say how many more there were. Colours are used on a terminal only, and not with
    `NO_COLOR` in the environment; what is no terminal gets lines of `COLUMNS` characters, 120 if that is not set.
    A forked child prints a report of its own if there is anything to tell.
    """

    def __init__(self, file: TextIO | None = None, *, top: int = 10) -> None:
        self._file = file
        self._top = top
        self._snapshot: Snapshot | None = None
        self._highlights = Highlights()
        self._forked = False

    def export(self, snapshot: Snapshot, events: Sequence[Event]) -> None:
        """Remember the newest snapshot, and of the events the longest waits and the places of exceptions."""
        self._snapshot = snapshot
        self._highlights.add(events)

    def shutdown(self, timeout: float) -> None:
        """Print the report of what was exported. A second call prints nothing, nor does one without any export."""
        snapshot, self._snapshot = self._snapshot, None
        file = self._file or sys.stderr
        if snapshot is None or file is None or (self._forked and not _is_eventful(snapshot)):
            return
        # Importing rich takes longer than all else that a program waits for before its first line runs.
        from ._report import report

        file.write(_rendered(report(snapshot, self._highlights, self._top), file))
        file.flush()

    def after_fork_in_child(self) -> None:
        """Forget what the parent did."""
        self._snapshot = None
        self._highlights = Highlights()
        self._forked = True


def _is_eventful(snapshot: Snapshot) -> bool:
    return (
        any(lock.wait.count or lock.waiters for lock in snapshot.locks)
        or any(threads.started for threads in snapshot.threads)
        or bool(snapshot.exceptions)
    )


def _rendered(content: RenderableType, file: TextIO) -> str:
    from rich.console import Console

    console = Console(file=file, force_jupyter=False, markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        columns = os.environ.get("COLUMNS", "")
        console.width = int(columns) if columns.isdecimal() else _WIDTH_OF_FILES
    console.width = max(console.width, _LEAST_WIDTH)
    with console.capture() as capture:
        console.print(content, crop=False)
    text = "".join(line.rstrip() + "\n" for line in capture.get().splitlines())
    encoding = file.encoding or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = text.translate(_IN_ASCII).encode(encoding, "backslashreplace").decode(encoding)
    return text
