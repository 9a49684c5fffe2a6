"""The service with faults on demand. Tests with a real Prometheus check the alert for each fault."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from example_programs import EXAMPLES, load_example, run_example

ALL = ("convoy", "stuck", "leak", "exceptions", "starvation", "dropping")


@contextmanager
def running(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "thread", "run", "--exporter", "console", str(EXAMPLES / "faults.py"), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().rstrip()


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_all_faults_at_once_end_when_they_are_told_to(ending: signal.Signals) -> None:
    with running(*ALL) as process:
        assert said(process) == f"faults: {' and '.join(ALL)}; Ctrl-C ends it"
        process.send_signal(ending)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "KeyboardInterrupt" not in errors


def test_faults_end_in_time_and_the_service_goes_on() -> None:
    with running("--seconds", "0.5", "stuck") as process:
        assert said(process) == "faults: stuck; Ctrl-C ends it"
        assert said(process) == "faults: ended; the service goes on"
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "stuck.connection_guard" in errors


def test_without_a_fault_it_is_healthy() -> None:
    with running() as process:
        assert said(process) == "faults: healthy; Ctrl-C ends it"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "Unhandled exceptions  none" in errors


def test_every_fault_is_explained() -> None:
    help_text = " ".join(run_example("faults.py", "--help").stdout.split())
    faults = load_example("faults").FAULTS
    assert tuple(faults) == ALL
    for name, fault in faults.items():
        assert f"{name} {fault.__doc__}" in help_text


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("deadlock",), "expected faults from convoy, stuck, leak, exceptions, starvation, dropping, got deadlock"),
        (("--seconds", "soon"), "expected a number of seconds, at least 0, got 'soon'"),
        (("--seconds", "-1"), "expected a number of seconds, at least 0, got '-1'"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: tuple[str, ...], complaint: str) -> None:
    refused = run_example("faults.py", *arguments)
    assert refused.returncode == 2
    assert complaint in refused.stderr
