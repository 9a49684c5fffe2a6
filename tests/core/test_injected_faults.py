"""A fault of the telemetry reaches no program, wherever it happens, and is counted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_a_fault_in_any_internal_function_is_counted_and_reaches_nobody() -> None:
    program = Path(__file__).parents[1] / "support" / "injected_faults.py"
    done = subprocess.run([sys.executable, "-W", "ignore", str(program)], capture_output=True, text=True, timeout=400)
    *wrong, counted = done.stdout.splitlines() or [""]
    assert (wrong, done.stderr, done.returncode) == ([], "", 0)
    assert int(counted.split()[0]) > 150
