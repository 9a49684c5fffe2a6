"""The map of CONTRIBUTING.md: a reader guesses the file from the concept, in C and in its twin."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from documentation import ROOT

CONTRIBUTING = ROOT / "CONTRIBUTING.md"
CONCEPTS = 40


CORE = {"_c": "*.c", "_core_py": "_[a-z]*.py"}


def tables() -> Iterator[tuple[str, list[str]]]:
    """The head and the rows of each table of the map."""
    [text] = re.findall(r"<!-- map:begin -->\n(.*?)<!-- map:end -->", CONTRIBUTING.read_text(), re.S)
    for table in re.findall(r"(?:^\|.*\n)+", text, re.M):
        head, _, *rows = table.splitlines()
        yield head, rows


def concepts() -> list[tuple[str, list[Path]]]:
    """Each concept with its files."""
    found = []
    for head, rows in tables():
        name, *columns = cells(head)
        folders = [match[1] if (match := re.search(r"`(\S+/)`", column)) else "" for column in columns]
        for row in rows if name == "concept" else ():
            concept, *files = cells(row)
            found.append((concept, [ROOT / folder / file.strip("`") for folder, file in zip(folders, files)]))
    return found


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_map_has_forty_concepts() -> None:
    names = [concept for concept, _ in concepts()]
    assert len(set(names)) == len(names) >= CONCEPTS


@pytest.mark.parametrize(("concept", "files"), concepts(), ids=lambda value: value if isinstance(value, str) else "")
def test_the_files_of_a_concept_exist_and_agree_in_name(concept: str, files: list[Path]) -> None:
    assert [str(file.relative_to(ROOT)) for file in files if not file.is_file()] == []
    assert len({file.stem.removeprefix("_") for file in files}) == 1


@pytest.mark.parametrize("folder", CORE)
def test_every_file_of_the_core_has_a_twin_or_a_reason(folder: str) -> None:
    named = {file.name for _, files in concepts() for file in files}
    alone = {
        name for head, rows in tables() if cells(head)[0] == "file" for row in rows for name in names(cells(row)[0])
    }
    there = {file.name for file in (ROOT / "src" / "thread" / folder).glob(CORE[folder])}
    assert there - named - alone == set()
    assert {name for name in alone if (name.endswith(".c")) == (folder == "_c")} <= there


def names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_every_path_in_the_text_exists() -> None:
    paths = re.findall(r"`((?:src|exporters|tests|docs|dashboards|scripts)/[\w./]*)`", CONTRIBUTING.read_text())
    assert len(paths) > CONCEPTS
    assert [path for path in paths if not (ROOT / path).exists()] == []
