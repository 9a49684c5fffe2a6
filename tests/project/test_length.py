"""A file and a function fit in the head. `test_c_layers.py` holds the files of C to the same numbers."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
FOLDERS = ("src", "exporters", "dashboards", "benchmarks", "examples", "scripts", "docs", "tests")
MOST_LINES = 500
MOST_LINES_OF_A_FUNCTION = 40


def sources(folder: str) -> Iterator[tuple[str, str]]:
    """Path from the root, and text, of each file of Python."""
    for path in sorted((ROOT / folder).rglob("*.py")):
        if "node_modules" not in path.parts:
            yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")


def functions(text: str) -> Iterator[tuple[str, int]]:
    """Name and length of each function, without its decorators."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_file_is_longer_than_a_head_can_hold(folder: str) -> None:
    long = {path: text.count("\n") for path, text in sources(folder) if text.count("\n") > MOST_LINES}
    assert long == {}


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_function_is_longer_than_a_head_can_hold(folder: str) -> None:
    long = {
        f"{path}: {name}": lines
        for path, text in sources(folder)
        for name, lines in functions(text)
        if lines > MOST_LINES_OF_A_FUNCTION
    }
    assert long == {}
