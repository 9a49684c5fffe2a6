"""The table of results, for a terminal and for a web page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ._promises import Result

HEADINGS = ("work", "measured against", "promise", "measured", "")
UNITLESS = "–"


def text(results: Sequence[Result]) -> str:
    """Format columns. The last one shows the time of each side, or why nothing was measured."""
    lines = [(*HEADINGS, "")] + [(*_cells(result), result.skipped or result.detail) for result in results]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rule = tuple("─" * width for width in widths)
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in (lines[0], rule, *lines[1:])
    )


def markdown(results: Sequence[Result]) -> str:
    """Format a Markdown table, without the last column."""
    return "\n".join("| " + " | ".join(line) + " |" for line in _markdown_lines(results))


def _markdown_lines(results: Sequence[Result]) -> Iterator[Sequence[str]]:
    yield HEADINGS
    yield ("---",) * len(HEADINGS)
    for result in results:
        work, *others = _cells(result)
        yield (f"`{work}`" if "lock:" in work or "()" in work else work, *others)


def _cells(result: Result) -> tuple[str, str, str, str, str]:
    promise = result.promise
    return (
        result.work,
        result.against,
        f"{promise.sign} {_number(promise.bound, result.unit)}" if promise else UNITLESS,
        _measured(result),
        result.verdict,
    )


def _measured(result: Result) -> str:
    if not result.values:
        return UNITLESS
    low, high = result.middle_half
    median = _number(result.median, result.unit)
    return median if low == high else f"{median} ({_plain(low, result.unit)}–{_plain(high, result.unit)})"


def _number(value: float, unit: str) -> str:
    return f"{_plain(value, unit)} {unit}".rstrip()


def _plain(value: float, unit: str) -> str:
    # Never round so far that a value looks like the bound that it misses.
    return f"{value:.3f}".rstrip("0").rstrip(".") if not unit else f"{value:.3g}"
