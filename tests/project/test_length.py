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

LONG_FILES: dict[str, str] = {}
LONG_FUNCTIONS = {
    "dashboards/_coverage.py: coverage_panels": "a list of panels",
    "dashboards/_lock.py: _at_a_glance": "a list of panels",
    "dashboards/_overview.py: _at_a_glance": "a list of panels",
    "dashboards/_threads.py: _blocking": "a list of panels",
}
"""Exceptions and their reasons."""


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
    assert {path: lines for path, lines in long.items() if path not in LONG_FILES} == {}
    assert {path for path in LONG_FILES if path.startswith(f"{folder}/")} <= long.keys()


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_function_is_longer_than_a_head_can_hold(folder: str) -> None:
    long = {
        f"{path}: {name}": lines
        for path, text in sources(folder)
        for name, lines in functions(text)
        if lines > MOST_LINES_OF_A_FUNCTION
    }
    assert {function: lines for function, lines in long.items() if function not in LONG_FUNCTIONS} == {}
    assert {function for function in LONG_FUNCTIONS if function.startswith(f"{folder}/")} <= long.keys()
