"""Lines laid out so that nothing is cut and what belongs together stays together.

Every text is a rich `Text`, which is taken literally: a bracket in a lock's name is no markup. Numbers come first in a
line and names last, since a name may be long and is folded where it does not fit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Literal

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from thread.telemetry import Site

from ._units import printable, quantity

NAME: Final = "bold cyan"
ASIDE: Final = "dim"
ALARM: Final = "bold red"

_HEADING: Final = "bold"


class Joined:
    """Texts on one line where it has room for them, else each on a line of its own, the later ones indented."""

    def __init__(self, *parts: Text, between: str) -> None:
        self._parts = parts
        self._between = between

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        line = Text(self._between).join(self._parts)
        if line.cell_len <= options.max_width:
            yield line
        else:
            yield self._parts[0]
            for part in self._parts[1:]:
                yield indented(part)


def heading(title: str, remark: str = "") -> Text:
    return Text.assemble("\n", (title, _HEADING), (f"  {remark}" if remark else "", ASIDE))


def indented(content: RenderableType, by: int = 2) -> Padding:
    return Padding(content, (0, 0, 0, by), expand=False)


def site(place: Site) -> RenderableType:
    """Where in the code, as `str(Site)` has it."""
    function = Text(printable(place.function))
    if not place.file:
        return function
    return Joined(function, Text(f"({printable(place.file)}:{place.line})"), between=" ")


def name(text: str) -> RenderableType:
    """The name of a lock or a target, `module:qualname` as a rule."""
    module, colon, qualname = printable(text).partition(":")
    return Joined(Text(module + colon, NAME), Text(qualname, NAME), between="")


def more(number: int, what: str) -> list[RenderableType]:
    """The line that ends a table which shows so many less than there are."""
    return [indented(Text(f"… and {quantity(number, f'more {what}')}", ASIDE))] if number > 0 else []


def verbatim(line: str, by: int = 2) -> Text:
    """An indented line that stays one line, however long it is."""
    return Text(" " * by + line, no_wrap=True, overflow="ignore")


def aligned(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[Text]:
    """One line each, the columns under one another, even when something else is printed between the lines."""
    table = [header, *rows]
    widths = [max(map(len, column)) for column in zip(*table)]
    lines = [verbatim("  ".join(cell.rjust(width) for cell, width in zip(row, widths))) for row in table]
    lines[0].stylize(ASIDE)
    return lines


def grid(*justified: Literal["left", "right"]) -> Table:
    """A table without lines. Its last column gives way to the others and is folded."""
    table = Table.grid(padding=(0, 2, 0, 0))
    for justify in justified[:-1]:
        table.add_column(justify=justify, no_wrap=True)
    table.add_column(justify=justified[-1], overflow="fold")
    return table
