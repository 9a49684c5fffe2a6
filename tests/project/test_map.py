"""The map of CONTRIBUTING.md: a reader guesses the file from the concept, in C and in its twin."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from documentation import ROOT

CONTRIBUTING = ROOT / "CONTRIBUTING.md"
CONCEPTS = 40


def rows() -> list[tuple[str, list[Path]]]:
    """Each concept with its files."""
    [text] = re.findall(r"<!-- map:begin -->\n(.*?)<!-- map:end -->", CONTRIBUTING.read_text(), re.S)
    found = []
    for table in text.split("\n\n"):
        head, _, *lines = table.strip().splitlines()
        folders = [match[1] if (match := re.search(r"`(\S+/)`", cell)) else "" for cell in cells(head)[1:]]
        for line in lines:
            concept, *files = cells(line)
            found.append((concept, [ROOT / folder / file.strip("`") for folder, file in zip(folders, files)]))
    return found


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_map_has_forty_concepts() -> None:
    concepts = [concept for concept, _ in rows()]
    assert len(set(concepts)) == len(concepts) >= CONCEPTS


@pytest.mark.parametrize(("concept", "files"), rows(), ids=lambda value: value if isinstance(value, str) else "")
def test_the_files_of_a_concept_exist_and_agree_in_name(concept: str, files: list[Path]) -> None:
    assert [str(file.relative_to(ROOT)) for file in files if not file.is_file()] == []
    assert len({file.stem.removeprefix("_") for file in files}) == 1
