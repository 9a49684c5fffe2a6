"""Small programs that were once wrong under observation, each run in an interpreter of its own.

A program in `tests/cases/` exits with 0 where all is right. Exit status 77 leaves it out; its last line says why.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

CASES = sorted(Path(__file__).with_name("cases").glob("*.py"))
LEFT_OUT = 77


AT_A_TIME = 2  # Most of what they do is to wait.

Finished = subprocess.CompletedProcess[str]


def run(case: Path, folder: Path) -> Finished:
    return subprocess.run(
        [sys.executable, str(case)],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=100,
    )


@pytest.fixture(scope="module")
def runs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[Path, Future[Finished]]]:
    """The selected cases, some of which run while a test waits for its own."""
    items = [
        item for item in request.session.items if item.path == Path(__file__) and isinstance(item, pytest.Function)
    ]
    cases = [item.callspec.params["case"] for item in items]
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        yield {case: pool.submit(run, case, tmp_path_factory.mktemp(case.stem)) for case in cases}
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_a_case_is_right(case: Path, runs: dict[Path, Future[Finished]]) -> None:
    finished = runs[case].result()
    if finished.returncode == LEFT_OUT:
        pytest.skip(finished.stdout.strip().rpartition("\n")[2])
    assert finished.returncode == 0, finished.stdout
