"""The benchmarks: that they run, and that they say what they measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


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
