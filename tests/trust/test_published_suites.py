"""The interpreter's own suites, unmodified, fail no test under observation that they pass without it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterable
from importlib.util import find_spec

import pytest

pytestmark = [pytest.mark.suites, pytest.mark.timeout(1500)]

SUITES = (
    "test_thread",
    "test_threading",
    "test_threading_local",
    "test_threadsignals",
    "test_threadedtempfile",
    "test_queue",
    "test_concurrent_futures",
    "test_sched",
    "test_socketserver",
    "test_logging",
    "test_functools",
    "test_context",
    "test_contextlib",
    "test_importlib",
    "test_fork1",
    "test_code",
)
THOSE_THERE = [suite for suite in SUITES if find_spec(f"test.{suite}") is not None]

KNOWN_TO_BE_OBSERVED: dict[str, str] = {}
"""Tests that fail because they detect the observation, with the reason why that is right. At most five."""

def environment(*, observed: bool) -> dict[str, str]:
    return os.environ | {"THREAD_TELEMETRY": str(int(observed)), "THREAD_TELEMETRY_EXPORTERS": "none"}


def run(tests: Iterable[str], *, observed: bool) -> tuple[set[str], str]:
    """Run a suite. Returns the failed tests, and the output if anything went wrong."""
    command = [sys.executable, "-m", "test", "-j2", "-v", "-u", "all,-gui,-audio,-largefile,-cpu,-urlfetch,-walltime"]
    done = subprocess.run(
        [*command, *tests],
        env=environment(observed=observed),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=1200,
    )
    failures = set(re.findall(r"^(?:FAIL|ERROR): (.*)$", done.stdout, re.MULTILINE))
    return failures, done.stdout if done.returncode else ""


def test_observation_reaches_a_process_that_others_start() -> None:
    program = "import threading; print(threading.Condition.wait.__code__.co_filename)"
    for observed in (True, False):
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment(observed=observed), capture_output=True, text=True
        )
        assert done.stderr == ""
        assert done.stdout.endswith("blocking.py\n") is observed


@pytest.mark.parametrize("suite", SUITES)
def test_the_interpreter_comes_with_the_suite(suite: str) -> None:
    if suite not in THOSE_THERE:
        pytest.skip("this installation of the interpreter was made without it")


def test_no_test_fails_that_passes_without_observation() -> None:
    failures, output = run(THOSE_THERE, observed=True)
    if not output:
        return
    # Tests that fail without us as well have other reasons, such as running as root or without a network.
    usual, usual_output = run(THOSE_THERE, observed=False)
    failures -= usual | set(KNOWN_TO_BE_OBSERVED)
    if failures:
        # Tests of threads sometimes fail by chance on a busy machine.
        again, output = run(THOSE_THERE, observed=True)
        failures &= again
    assert not failures, output[-20_000:]
    # A suite that crashed or hung has no failing tests.
    assert broken(output) <= broken(usual_output), output[-20_000:]
    assert usual, output[-20_000:]


def broken(output: str) -> set[str]:
    return set(re.findall(r"(test[\w.]+) (?:crashed|timed out|worker non-zero exit code)", output))


def test_few_tests_are_known_to_be_observed() -> None:
    assert len(KNOWN_TO_BE_OBSERVED) <= 5
    assert all(KNOWN_TO_BE_OBSERVED.values())
