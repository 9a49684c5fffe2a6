"""The benchmarks: that they run, and that they say what they measured."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from programs import run

ROOT = Path(__file__).parent.parent.parent


def benchmarks(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_a_row_is_printed_with_what_was_promised_and_measured() -> None:
    done = benchmarks("creation-memory")
    assert done.returncode == 0, done.stderr
    heading, rule, row = done.stdout.splitlines()[2:]
    assert heading.split()[:4] == ["work", "measured", "against", "promise"]
    assert set(rule) == {"─", " "}
    assert row.startswith("memory of a lock")
    assert "bytes" in row


def test_json_gives_every_round() -> None:
    done = benchmarks("--json", "creation-memory", "pure")
    assert done.returncode == 0, done.stderr
    memory, pure = json.loads(done.stdout)["results"]
    assert memory["name"] == "creation-memory"
    assert memory["values"] == [memory["median"]]
    assert pure["promise"] == {"sign": "≤", "bound": 2}
    assert len(pure["values"]) >= 3
    assert pure["quartiles"][0] <= pure["median"] <= pure["quartiles"][1]


def test_calibration_measures_the_interpreter_against_itself() -> None:
    done = benchmarks("--json", "--calibrate", "creation-memory", "snapshot")
    assert done.returncode == 0, done.stderr
    memory, snapshot = json.loads(done.stdout)["results"]
    assert f"takes {memory['median']:.0f}" in memory["detail"]
    assert memory["promise"] is None
    assert snapshot["skipped"]


def test_an_unknown_row_is_refused_with_those_that_there_are() -> None:
    done = benchmarks("nonsense")
    assert done.returncode == 2
    assert "no row 'nonsense'" in done.stderr
    assert "creation-memory" in done.stderr


def test_what_could_not_be_measured_is_said_and_fails_the_check() -> None:
    done = benchmarks("--calibrate", "--check", "snapshot")
    assert done.returncode == 1
    assert "not measured" in done.stdout


def test_the_table_for_a_readme_is_markdown() -> None:
    done = benchmarks("--markdown", "creation-memory")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("| work | measured against | promise | measured |")


def test_results_of_several_interpreters_stand_side_by_side(tmp_path: Path) -> None:
    done = benchmarks("--json", "creation-memory")
    for version in ("3.11", "3.12"):
        (tmp_path / version).write_text(done.stdout)
    command = [sys.executable, "-m", "benchmarks.versions", str(tmp_path / "3.11"), str(tmp_path / "3.12")]
    table = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert table.returncode == 0, table.stderr
    heading, _, row = table.stdout.splitlines()
    assert heading.count("Python ") == 2
    assert row.startswith("| memory of a lock |")
    assert row.count(" bytes |") >= 1


@pytest.mark.skipif(find_spec("ddtrace") is not None, reason="ddtrace is installed, and would be measured")
def test_rows_beside_ddtrace_say_that_it_is_missing() -> None:
    done = benchmarks("--json", "datadog", "service-datadog", "service-datadog-p99")
    assert done.returncode == 0, done.stderr
    alone, *services = json.loads(done.stdout)["results"]
    assert alone["skipped"].startswith("ddtrace cannot be used: ")
    for row in services:
        assert row["skipped"] == "ddtrace is not installed"
        assert row["promise"] is None


def test_no_service_runs_unprofiled_in_place_of_a_profiled_one() -> None:
    launcher, app = ROOT / "benchmarks" / "datadog_run.py", ROOT / "benchmarks" / "service_app.py"
    without = f"""
        import runpy, sys
        sys.modules["ddtrace"] = None
        sys.argv = [{str(launcher)!r}, {str(app)!r}]
        runpy.run_path(sys.argv[0], run_name="__main__")
    """
    finished = run(without)
    assert (finished.returncode, finished.stdout) == (1, "")
    assert finished.stderr.startswith("ddtrace cannot be used: ")
    assert finished.stderr.count("\n") == 1
