"""Users' files, checked by mypy --strict and pyright against the installed package, away from the repository."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

FILES = Path(__file__).parents[1] / "typing"
VERSIONS = ("3.11", "3.15")


def mypy(file: Path, version: str) -> dict[int, str]:
    """Complaints of mypy about a file: messages by line."""
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--cache-dir=.cache", file.name]
    done = subprocess.run([*command, f"--python-version={version}"], cwd=file.parent, capture_output=True, text=True)
    assert not done.stderr, done.stderr
    matches = [re.fullmatch(r"(.+?):(\d+): (?:error|note): (.*)", line) for line in done.stdout.splitlines()]
    assert all(match and match[1] == file.name for match in matches), done.stdout
    return {int(match[2]): match[3] for match in matches if match}


def pyright(file: Path, version: str) -> dict[int, str]:
    """Complaints of pyright about a file: messages by line."""
    settings = {"typeCheckingMode": "strict", "pythonVersion": version, "reportUnusedExpression": "none"}
    (file.parent / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, file.name]
    done = subprocess.run(command, cwd=file.parent, capture_output=True, text=True)
    found = json.loads(done.stdout)["generalDiagnostics"]
    assert {Path(each["file"]).name for each in found} <= {file.name}, done.stdout
    return {each["range"]["start"]["line"] + 1: each["message"] for each in found}


Checker = Callable[[Path, str], dict[int, str]]


@pytest.fixture(params=[mypy, pyright], ids=["mypy", "pyright"])
def check(request: pytest.FixtureRequest) -> Checker:
    checker: Checker = request.param
    return checker


@pytest.mark.parametrize("version", VERSIONS)
def test_a_users_file_is_clean(check: Checker, version: str, tmp_path: Path) -> None:
    file = Path(shutil.copy(FILES / "usage.py", tmp_path))
    assert check(file, version) == {}


@pytest.mark.parametrize("version", VERSIONS)
def test_mistakes_are_found_and_nothing_else_is(check: Checker, version: str, tmp_path: Path) -> None:
    file = Path(shutil.copy(FILES / "misuse.py", tmp_path))
    lines = enumerate(file.read_text().splitlines(), start=1)
    assert check(file, version).keys() == {number for number, line in lines if line.endswith("# wrong")}
