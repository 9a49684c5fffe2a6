"""Helpers that run programs in interpreters of their own, for things that would disturb the test's own interpreter."""

from __future__ import annotations

import os
import subprocess
import sys
from textwrap import dedent


def run(source: str, *arguments: str, timeout: float = 60.0, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program given as text. The test fails if it has not ended after `timeout` seconds."""
    # The interpreter warns of every fork of a process with threads.
    warnings = "ignore:This process:DeprecationWarning"
    return subprocess.run(
        [sys.executable, "-W", warnings, "-c", dedent(source), *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def output_of(source: str, *arguments: str, timeout: float = 60.0, **environment: str) -> list[str]:
    """Return the lines that a program prints. It must succeed and write nothing to stderr."""
    finished = run(source, *arguments, timeout=timeout, **environment)
    assert (finished.returncode, finished.stderr) == (0, ""), finished.stderr
    return finished.stdout.splitlines()


def observed(source: str, report: str) -> tuple[list[str], list[str]]:
    """Output of a program, the same observed and unobserved, and output of `report` for its `recorded` snapshot."""
    begin = "from thread import telemetry\ntelemetry.instrument()\n"
    look = "\nrecorded = telemetry.snapshot()\nprint(recorded.coverage.faults, recorded.exceptions)\n"

    def lines(program: str) -> list[str]:
        # The text after -c would pass for generated code, which names nothing.
        return output_of(f"exec(compile({program!r}, 'program.py', 'exec'))")

    usual = lines(dedent(source))
    of_observed = lines(begin + dedent(source) + look + dedent(report))
    assert of_observed[: len(usual)] == usual
    assert of_observed[len(usual)] == "0 ()"
    return usual, of_observed[len(usual) + 1 :]
