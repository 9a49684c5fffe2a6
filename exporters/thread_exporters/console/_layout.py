"""Layout of lines for any width from 80 columns: nothing is cut off, and related things stay together.

A text is a sequence of spans, each a string with a style. Numbers come first in a line and names last, because a name
may be long and may have to be broken.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple, TypeAlias

from ._units import printable, quantity

NAME: Final = "1;36"
ASIDE: Final = "2"
ALARM: Final = "1;31"
STRONG: Final = "1"
PLAIN: Final = ""

_LEAST_WIDTH: Final = 36
"""Minimum number of columns for a name beside its numbers. If there are fewer, it goes below them."""
_JOINTS: Final = "./:_-,"


class Span(NamedTuple):
    """A string with a style, given as the parameters of a terminal's escape sequence."""

    string: str
    style: str = PLAIN


Text: TypeAlias = tuple[Span, ...]


class Row(NamedTuple):
    """A row of a table: its cells, and the thing that they describe."""

    cells: Sequence[str]
    about: Text
    style: str = PLAIN


def text(*parts: str | Span | Text) -> Text:
    """Join parts to a text."""
    spans: list[Span] = []
    for part in parts:
        if isinstance(part, str):
            spans.append(Span(part))
        elif isinstance(part, Span):
            spans.append(part)
        else:
            spans.extend(part)
    return tuple(span for span in spans if span.string)


def name(string: str) -> Span:
    """Style the name of a lock or a target."""
    return Span(printable(string), NAME)


def heading(title: str, remark: str = "") -> Text:
    """Make the heading of a section of the report."""
    return text(Span(title, STRONG), Span(f"  {remark}" if remark else "", ASIDE))


def rendered(lines: Iterable[Text], *, colours: bool) -> str:
    """Render lines for writing to a file."""
    return "".join(f"{''.join(_rendered(line, colours)).rstrip()}\n" for line in lines)


def _rendered(line: Text, colours: bool) -> Iterator[str]:
    for string, style in line:
        yield f"\x1b[{style}m{string}\x1b[0m" if colours and style else string


def folded(content: Text, width: int, first: str = "", rest: str | None = None) -> Iterator[Text]:
    """Fold the content into as many lines as it needs. The first begins with `first`, the others with `rest`.

    Lines break at spaces. A word too long for a line of its own breaks after a dot or a similar character.
    """
    rest = first if rest is None else rest
    line: list[Span] = [Span(first)]
    column = _columns(first)
    is_empty = True
    for word, style in _words(content):
        if not is_empty and column + _columns(word.rstrip()) > width:
            yield tuple(line)
            line, column, is_empty = [Span(rest)], _columns(rest), True
            word = word.lstrip()
        while column + _columns(word.rstrip()) > width and width > column:
            head, word = _broken(word, width - column)
            line.append(Span(head, style))
            yield tuple(line)
            line, column = [Span(rest)], _columns(rest)
        if word:
            line.append(Span(word, style))
            column += _columns(word)
            is_empty = is_empty and not word.strip()
    yield tuple(line)


def _words(content: Text) -> Iterator[Span]:
    """Split content before each word. Spaces stay with the word before them."""
    for string, style in content:
        word = ""
        for character in string:
            if word.endswith(" ") and character != " ":
                yield Span(word, style)
                word = ""
            word += character
        yield Span(word, style)


def _broken(word: str, width: int) -> tuple[str, str]:
    end = 0
    columns = 0
    while end < len(word) and columns + _columns(word[end]) <= width:
        columns += _columns(word[end])
        end += 1
    end = max(end, 1)
    joint = max(word.rfind(joint, 0, end) for joint in _JOINTS) + 1
    end = joint if joint > end // 2 else end
    return word[:end], word[end:]


def table(
    header: Sequence[str], rows: Sequence[Row], width: int, *, below: bool | None = None
) -> Iterator[Text]:
    """Lay out a table with one line per row if there is room, and with more lines otherwise. Numbers never break.

    The last word of the header names the things that the rows describe. They go below the numbers if there is little
    room beside them or if `below` is True.
    """
    indent = "  "
    widths = [max(map(len, column)) for column in zip(header[:-1], *(row.cells for row in rows))]
    yield text(indent, Span(f"{_aligned(header[:-1], widths)}  {header[-1]}", ASIDE))
    beside = len(indent) + sum(widths) + 2 * len(widths)
    if below is None:
        widest = max((sum(_columns(span.string) for span in row.about) for row in rows), default=0)
        below = width - beside < min(widest, _LEAST_WIDTH)
    for row in rows:
        numbers = f"{indent}{_aligned(row.cells, widths)}"
        if below:
            yield text(Span(numbers, row.style))
            yield from folded(row.about, width, indent * 3)
        else:
            first, *others = folded(row.about, width, " " * beside)
            yield text(Span(f"{numbers}  ", row.style), first[1:])
            yield from others


def _aligned(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.rjust(width) for cell, width in zip(cells, widths))


def more(number: int, what: str) -> Iterator[Text]:
    """End a table with a line that says how many rows are not shown, if any."""
    if number > 0:
        yield text(Span(f"  … and {quantity(number, f'more {what}')}", ASIDE))


def _columns(string: str) -> int:
    if string.isascii():
        return len(string)
    return sum(_columns_of(character) for character in string)


def _columns_of(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
