"""Lines laid out so that nothing is cut and what belongs together stays together, at any width from 80 columns on.

A text is a sequence of spans, each a string and its style. Numbers come first in a line and names last, since a name
may be long and is broken where it does not fit.
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
"""Columns that a name has beside its numbers. Where there are fewer, it stands below them."""
_JOINTS: Final = "./:_-,"


class Span(NamedTuple):
    """A string of one style: the parameters of the escape sequence that terminals know for it."""

    string: str
    style: str = PLAIN


Text: TypeAlias = tuple[Span, ...]


class Row(NamedTuple):
    """What a table says of one thing: the cells, and what they are about."""

    cells: Sequence[str]
    about: Text
    style: str = PLAIN


def text(*parts: str | Span | Text) -> Text:
    """The parts one after the other."""
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
    """The name of a lock or a target."""
    return Span(printable(string), NAME)


def heading(title: str, remark: str = "") -> Text:
    """The line above a part of the report."""
    return text(Span(title, STRONG), Span(f"  {remark}" if remark else "", ASIDE))


def rendered(lines: Iterable[Text], *, colours: bool) -> str:
    """The lines as they are written to a file."""
    return "".join(f"{''.join(_rendered(line, colours)).rstrip()}\n" for line in lines)


def _rendered(line: Text, colours: bool) -> Iterator[str]:
    for string, style in line:
        yield f"\x1b[{style}m{string}\x1b[0m" if colours and style else string


def folded(content: Text, width: int, first: str = "", rest: str | None = None) -> Iterator[Text]:
    """The content on as many lines as it needs: the first after `first`, the others after `rest`.

    Lines are broken at blanks; a word that has no room on a line of its own, after a dot or the like.
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
    """Pieces that a line may be broken before: blanks go with the word before them."""
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
    """One line for each row where it has room for what it is about, else more: the numbers are never broken.

    The last word of the header is that of what the rows are about, which stands below the numbers where there is
    little room beside them, or where `below` says so.
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
    """The line that ends a table which shows so many less than there are."""
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
