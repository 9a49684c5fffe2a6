"""A readable report, written once when telemetry stops.

    from thread import telemetry
    from thread_exporters.console import ConsoleExporter

    telemetry.start(ConsoleExporter())

It shows the locks that threads waited for and who held them, the longest single waits with the stacks of both sides,
the threads that ran, and the exceptions that ended them. `format="json"` writes it for programs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Final, Literal, TextIO, cast

from thread.telemetry import Event, Snapshot

from ._highlights import Highlights

__all__ = ["ConsoleExporter", "from_options"]

_WIDTH_OF_FILES: Final = 100
_LEAST_WIDTH: Final = 80
_IN_ASCII: Final = str.maketrans({"µ": "u", "…": "...", "←": "<-", "─": "-", "×": "x", "–": "-"})

Format = Literal["text", "json"]


class ConsoleExporter:
    """Writes a report on shutdown to `file`: a path, a text file, or by default the `sys.stderr` of that moment.

    Tables end after `top` rows and say how many more there are; the format `json` omits nothing. Colours appear only on
    a terminal, and not if `NO_COLOR` is set. Otherwise lines have `COLUMNS` characters, or 100 if that is not set. A
    forked child writes its own report only if it calls `telemetry.stop()` and has something to report; it appends its
    process id to the path.

    Raises ValueError for an unknown format, OSError for a path that is not writable.
    """

    def __init__(self, file: TextIO | str | None = None, *, top: int = 10, format: Format = "text") -> None:
        if format not in ("text", "json"):
            raise ValueError(f"format: expected text or json, got {format!r}")
        if isinstance(file, str):
            file = os.path.abspath(file)
            # Fail now, while someone can still do something about it.
            with open(file, "w", encoding="utf-8"):
                pass
        self._file = file
        self._top = top
        self._format = format
        self._snapshot: Snapshot | None = None
        self._highlights = Highlights()
        self._forked = False

    def export(self, snapshot: Snapshot, events: Sequence[Event]) -> None:
        """Remember the newest snapshot, the longest waits and the places where exceptions were raised."""
        self._snapshot = snapshot
        self._highlights.add(events)

    def shutdown(self, timeout: float) -> None:
        """Write the report. A second call writes nothing, nor does a call before the first export."""
        snapshot, self._snapshot = self._snapshot, None
        file = self._file or sys.stderr
        if snapshot is None or file is None or (self._forked and not _is_eventful(snapshot)):
            return
        if isinstance(file, str):
            path = f"{file}.{os.getpid()}" if self._forked else file
            with open(path, "w", encoding="utf-8") as opened:
                opened.write(self._report(snapshot, opened))
        else:
            file.write(self._report(snapshot, file))
            file.flush()

    def _report(self, snapshot: Snapshot, file: TextIO) -> str:
        if self._format == "json":
            from ._report_json import report_json

            return report_json(snapshot, self._highlights)
        from ._layout import rendered
        from ._report import Report

        is_terminal = file.isatty()
        report = Report(snapshot, self._highlights, self._top, _width(file, is_terminal))
        return _encodable(rendered(report.lines(), colours=is_terminal and _wants_colours()), file)

    def after_fork_in_child(self) -> None:
        """Forget the parent's data."""
        self._snapshot = None
        self._highlights = Highlights()
        self._forked = True


def from_options(
    file: TextIO | str | None = None,
    *,
    top: int = 10,
    format: Format = "text",
    report: str | None = None,
    report_format: Format | None = None,
) -> ConsoleExporter:
    """Make the exporter named `console`; `report` and `report_format` are the options of `python -m thread run`.

    `THREAD_TELEMETRY_REPORT` and `THREAD_TELEMETRY_REPORT_FORMAT` provide the defaults; for an unknown format there, it
    writes one line to stderr. Raises ValueError for an unknown format or for a path that is not writable.
    """
    path = file or report or os.environ.get("THREAD_TELEMETRY_REPORT") or None
    try:
        return ConsoleExporter(path, top=top, format=report_format or _format_from_environment(format))
    except OSError as error:
        raise ValueError(f"cannot write the report to {error.filename}: {error.strerror}") from None


def _format_from_environment(default: Format) -> Format:
    text = os.environ.get("THREAD_TELEMETRY_REPORT_FORMAT") or default
    if text in ("text", "json"):
        return cast("Format", text)
    if sys.stderr is not None:
        sys.stderr.write(f"thread: THREAD_TELEMETRY_REPORT_FORMAT: expected text or json, got {text!r}; using text\n")
    return "text"


def _is_eventful(snapshot: Snapshot) -> bool:
    return (
        any(lock.wait.count or lock.waiters for lock in snapshot.locks)
        or any(threads.started for threads in snapshot.threads)
        or bool(snapshot.exceptions)
    )


def _width(file: TextIO, is_terminal: bool) -> int:
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal():
        width = int(columns)
    elif is_terminal:
        try:
            width = os.get_terminal_size(file.fileno()).columns
        except (OSError, ValueError):
            width = _LEAST_WIDTH
    else:
        width = _WIDTH_OF_FILES
    return max(width, _LEAST_WIDTH)


def _wants_colours() -> bool:
    # Any value of NO_COLOR counts, see https://no-color.org.
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _encodable(text: str, file: TextIO) -> str:
    encoding = file.encoding or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(_IN_ASCII).encode(encoding, "backslashreplace").decode(encoding)
    return text
