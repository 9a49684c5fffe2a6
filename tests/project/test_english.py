"""Docstrings open with a noun phrase or an imperative, and lines keep to the common word."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from documentation import markdown_files

ROOT = Path(__file__).parent.parent.parent
FOLDERS = ("src", "exporters", "benchmarks", "scripts", "dashboards", "docs", "examples", "tests")
FILES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".c", ".h"))

OPENING = re.compile(r"(What|Where|Which|Who|Whose|How|Those|That|Whether)\b")
UNUSUAL = re.compile(r"\b(else than|of late|in the place of|(?:is|are|was|were|be) to be had|to be had|is had)\b")


def docstrings(path: Path) -> Iterator[tuple[int, str]]:
    """Line and text of each docstring, the strings below attributes included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Expr(value=ast.Constant(value=str(text))):
                yield node.lineno, text.strip()


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_docstring_opens_with_a_relative_clause(folder: str) -> None:
    assert [
        f"{path.relative_to(ROOT)}:{line}: {text.splitlines()[0]}"
        for path in FILES
        if path.suffix == ".py" and path.is_relative_to(ROOT / folder)
        for line, text in docstrings(path)
        if OPENING.match(text)
    ] == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_line_has_an_unusual_phrase(folder: str) -> None:
    assert [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in FILES
        if path.is_relative_to(ROOT / folder) and path != Path(__file__)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if UNUSUAL.search(line)
    ] == []


@pytest.mark.parametrize("page", markdown_files(), ids=lambda page: str(page.relative_to(ROOT)))
def test_no_page_has_an_unusual_phrase(page: Path) -> None:
    assert [line for line in page.read_text(encoding="utf-8").splitlines() if UNUSUAL.search(line)] == []
