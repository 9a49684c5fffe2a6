from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def checks() -> ModuleType:
    """The script behind `.ci/run`."""
    spec = importlib.util.spec_from_file_location("check_everything", ROOT / "scripts" / "check_everything.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("line", "closing"),
    [
        ("2772 passed, 56 skipped in 172.38s (0:02:52)", "2772 passed, 56 skipped in 172.38s (0:02:52)"),
        ("====== 1 failed, 3 passed in 0.52s ======", "1 failed, 3 passed in 0.52s"),
        ("no tests ran in 0.01s", "no tests ran in 0.01s"),
        ("I have 3 passed tests in my program", ""),
    ],
)
def test_the_closing_line_of_pytest_is_found(checks: ModuleType, line: str, closing: str) -> None:
    job = checks.Job("tests", [])
    job.output = f"collecting\n{line}\nmake: leaving\n"
    assert job.closing_line == closing


def test_a_failure_decides_the_closing_line(checks: ModuleType) -> None:
    good, whole, bad = checks.Job("3.11 C", []), checks.Job("3.15 C", []), checks.Job("3.13 C", [])
    for job, state, line in ((good, "ok", "1 passed"), (whole, "ok", "2 passed"), (bad, "FAILED (1)", "1 failed")):
        job.state, job.output = state, f"{line} in 1.00s"
    assert checks.closing_line([good, whole]) == "2 passed in 1.00s"
    assert checks.closing_line([good, whole, bad]) == "1 failed in 1.00s"
    assert checks.closing_line([]) == ""


def test_two_versions_take_their_turn(checks: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLOW", raising=False)
    two = checks.two_in_turn(checks.VERSIONS)
    assert len(set(two)) == 2
    monkeypatch.setenv("SLOW", "1")
    assert checks.two_in_turn(checks.VERSIONS) == list(checks.VERSIONS)


def test_a_job_whose_build_failed_is_not_run(checks: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    runner = checks.Runner(total=2)
    build = checks.Job("build", [sys.executable, "-c", "raise SystemExit(3)"])
    tests = checks.Job("tests", [sys.executable, "-c", ""], after=[build])
    runner.run(build)
    runner.run(tests)
    assert (build.state, tests.state) == ("FAILED (3)", "NOT RUN: build failed")
    assert "=== tests: NOT RUN: build failed" in capsys.readouterr().out
