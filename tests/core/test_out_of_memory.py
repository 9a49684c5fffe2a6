"""Out of memory at any point: a lock is taken or it is not, and the record is what is lost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from thread._backend import core


@pytest.mark.skipif(core.NAME != "c", reason="no Python code survives this, the interpreter's own included")
def test_no_allocation_that_fails_costs_a_lock_a_thread_or_an_error() -> None:
    pytest.importorskip("_testcapi")
    program = Path(__file__).parents[1] / "support" / "out_of_memory.py"
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, timeout=110)
    *wrong, failed = done.stdout.splitlines() or [""]
    assert (wrong, done.returncode) == ([], 0), done.stderr[-2000:]
    assert int(failed) > 100
