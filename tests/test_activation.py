"""Observation from the start of the interpreter, where the environment asks for it."""

from __future__ import annotations

import importlib.metadata
import multiprocessing
import subprocess
import sys
import sysconfig
from pathlib import Path
from textwrap import dedent

import pytest
from programs import output_of, run

PATH_FILE = Path(sysconfig.get_path("purelib"), "thread-telemetry.pth")

pytestmark = pytest.mark.skipif(
    not PATH_FILE.exists() or not importlib.metadata.packages_distributions().get("thread_exporters"),
    reason="the package is not installed",
)

IS_OBSERVED = """
    import sys
    print("thread._activation" in sys.modules, "threading" in sys.modules)
    import threading
    print("_blocking" in threading.Condition.wait.__code__.co_filename)
"""


@pytest.mark.parametrize("switch", ["1", "true", "YES", " on "])
def test_a_program_is_observed_from_its_first_line(switch: str) -> None:
    lines = output_of(IS_OBSERVED, THREAD_TELEMETRY=switch, THREAD_TELEMETRY_EXPORTERS="none")
    assert lines == ["True False", "True"]


@pytest.mark.parametrize("switch", ["", "0", "false", "No", "off"])
def test_it_can_be_turned_off(switch: str) -> None:
    assert output_of(IS_OBSERVED, THREAD_TELEMETRY=switch)[-1] == "False"


def test_what_is_neither_is_said_and_the_program_goes_on() -> None:
    finished = run("print('program')", THREAD_TELEMETRY="maybe")
    assert (finished.returncode, finished.stdout) == (0, "program\n")
    assert finished.stderr == "thread: THREAD_TELEMETRY: expected 1 or 0, got 'maybe'; nothing is observed\n"


def test_an_interpreter_that_ignores_the_environment_does() -> None:
    program = dedent(IS_OBSERVED)
    for flag in ("-I", "-E"):
        done = subprocess.run([sys.executable, flag, "-c", program], env={"THREAD_TELEMETRY": "1"}, capture_output=True)
        assert (done.stdout, done.stderr) == (b"False False\nFalse\n", b"")


def test_exporters_start_by_name() -> None:
    finished = run(
        "print('program')", THREAD_TELEMETRY="1", THREAD_TELEMETRY_EXPORTERS="console, nonsense", NO_COLOR="1"
    )
    assert (finished.returncode, finished.stdout) == (0, "program\n")
    assert "thread: THREAD_TELEMETRY_EXPORTERS: the exporter 'nonsense' cannot be started: " in finished.stderr
    assert "thread telemetry, process" in finished.stderr


def test_run_in_an_observed_process_starts_nothing_twice(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("print('program')")
    done = subprocess.run(
        [sys.executable, "-m", "thread", "run", "--port", "0", str(program)],
        env={"THREAD_TELEMETRY": "1", "THREAD_TELEMETRY_PORT": "0", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, "program\n")
    assert "Traceback" not in done.stderr
    assert done.stderr.count("thread telemetry, process") == 1


@pytest.mark.parametrize("method", multiprocessing.get_all_start_methods())
def test_children_of_multiprocessing_are_observed(method: str, tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        dedent(
            f"""
            import multiprocessing, threading

            def work(answers):
                from thread import telemetry
                guard = threading.Lock()
                with guard:
                    pass
                answers.put([lock.acquisitions for lock in telemetry.snapshot().locks if lock.name.endswith("guard")])

            if __name__ == "__main__":
                context = multiprocessing.get_context({method!r})
                answers = context.Queue()
                child = context.Process(target=work, args=(answers,))
                child.start()
                print(answers.get(timeout=30))
                child.join()
                print(child.exitcode)
            """
        )
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", str(program)],
        env={"THREAD_TELEMETRY": "1", "THREAD_TELEMETRY_EXPORTERS": "none"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout, done.stderr) == ("[1]\n0\n", "")
