"""Small programs that were once wrong under observation, each run in an interpreter of its own.

A program in `tests/cases/` exits with 0 where all is right. Exit status 77 leaves it out; its last line says why.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CASES = sorted(Path(__file__).with_name("cases").glob("*.py"))
LEFT_OUT = 77


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_a_case_is_right(case: Path, tmp_path: Path) -> None:
    finished = subprocess.run(
        [sys.executable, str(case)],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=100,
    )
    if finished.returncode == LEFT_OUT:
        pytest.skip(finished.stdout.strip().rpartition("\n")[2])
    assert finished.returncode == 0, finished.stdout
