"""Observation from the start of the interpreter, where the environment asks for it."""

from __future__ import annotations

import importlib.metadata
import multiprocessing
import os
import shutil
import subprocess
import sys
import sysconfig
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from textwrap import dedent

import pytest
from programs import output_of, run

import thread

PATH_FILE = Path(sysconfig.get_path("purelib"), "thread-telemetry.pth")

pytestmark = pytest.mark.skipif(
    not PATH_FILE.exists() or not importlib.metadata.packages_distributions().get("thread_exporters"),
    reason="the package is not installed",
)

IS_OBSERVED = """
    import sys
    print("thread" in sys.modules, "threading" in sys.modules)
    import threading
    print("_observed" in threading.Condition.wait.__code__.co_filename)
"""


@pytest.mark.parametrize("switch", ["1", "true", "YES", " on "])
def test_a_program_is_observed_from_its_first_line(switch: str) -> None:
    lines = output_of(IS_OBSERVED, THREAD_TELEMETRY=switch, THREAD_TELEMETRY_EXPORTERS="none")
    assert lines == ["False False", "True"]


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
    assert "thread: THREAD_TELEMETRY_EXPORTERS: cannot start the exporter 'nonsense': " in finished.stderr
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


def start_from(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A program that is to be observed by what lies in that folder."""
    begin = "import sys; sys.path.insert(0, sys.argv[1]); import _thread_telemetry_start; print('program')"
    return subprocess.run(
        [sys.executable, "-S", "-c", begin, str(folder)],
        env={"THREAD_TELEMETRY": "1", "THREAD_TELEMETRY_EXPORTERS": "none"} | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A copy of the package that may be spoilt."""
    source = Path(thread.__file__).parent
    shutil.copytree(source, tmp_path / "thread", ignore=shutil.ignore_patterns("*.so", "__pycache__", "_c"))
    shutil.copy(source.with_name("_thread_telemetry_start.py"), tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("file", "content", "complaint"),
    [
        ("_core" + EXTENSION_SUFFIXES[0], b"\x7fELF", "ImportError: "),
        ("_observed/instrument.py", b"1 / 0", "ZeroDivisionError: "),
        ("_inspection/naming.py", b"import nowhere", "ModuleNotFoundError: "),
        ("_observed/blocking.py", b"if", "SyntaxError: "),
    ],
)
def test_a_spoilt_installation_is_one_line_and_the_program_runs(
    installed: Path, file: str, content: bytes, complaint: str
) -> None:
    assert start_from(installed).stderr == ""
    installed.joinpath("thread", file).write_bytes(content)
    done = start_from(installed, THREAD_TELEMETRY_PURE="1" if file != "_core" + EXTENSION_SUFFIXES[0] else "0")
    assert (done.returncode, done.stdout) == (0, "program\n")
    [line] = done.stderr.splitlines()
    assert line.startswith(f"thread: this process is not observed: {complaint}")


def test_a_path_file_that_was_left_behind_is_one_line() -> None:
    program = f"import sys; sys.modules['_thread_telemetry_start'] = None\n{PATH_FILE.read_text()}\nprint('program')"
    finished = subprocess.run(
        [sys.executable, "-S", "-c", program], env={"THREAD_TELEMETRY": "1"}, capture_output=True, text=True
    )
    assert (finished.returncode, finished.stdout) == (0, "program\n")
    [line] = finished.stderr.splitlines()
    assert line.startswith("thread: this process is not observed: ModuleNotFoundError: ")


def test_an_interpreter_beside_the_main_one_is_left_alone_and_told_nothing() -> None:
    program = """
        try:
            import _interpreters as interpreters
        except ImportError:
            import _xxsubinterpreters as interpreters
        interpreter = interpreters.create()
        interpreters.run_string(interpreter, "import sys; assert 'thread' not in sys.modules")
        interpreters.destroy(interpreter)
        print("program")
    """
    assert output_of(program, THREAD_TELEMETRY="1", THREAD_TELEMETRY_EXPORTERS="none") == ["program"]


@pytest.mark.parametrize("kind", ["module", "package"])
def test_another_thread_that_lies_over_ours_is_said_and_is_what_the_program_gets(tmp_path: Path, kind: str) -> None:
    file = tmp_path / ("thread.py" if kind == "module" else "thread/__init__.py")
    file.parent.mkdir(exist_ok=True)
    file.write_text("telemetry = 'the other one'")
    program = """
        from thread import telemetry
        import threading
        print(telemetry, "_observed" in threading.Condition.wait.__code__.co_filename)
    """
    finished = run(program, THREAD_TELEMETRY="1", THREAD_TELEMETRY_EXPORTERS="none", PYTHONPATH=str(tmp_path))
    assert (finished.returncode, finished.stdout) == (0, "the other one True\n")
    [line] = finished.stderr.splitlines()
    assert str(file) in line


def test_variables_that_make_no_sense_are_a_line_each_and_the_program_runs() -> None:
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-c", "print('program')"],
        env={
            "THREAD_TELEMETRY": "1",
            "THREAD_TELEMETRY_EXPORTERS": "none",
            "THREAD_TELEMETRY_SLOW_WAIT_MS": "soon",
            "THREAD_TELEMETRY_EXPORT_INTERVAL": "tcp://10.0.0.1:80",
        },
        capture_output=True,
        text=True,
    )
    assert (finished.returncode, finished.stdout) == (0, "program\n")
    assert [line.split(":")[:2] for line in finished.stderr.splitlines()] == [
        ["thread", " THREAD_TELEMETRY_SLOW_WAIT_MS"],
        ["thread", " THREAD_TELEMETRY_EXPORT_INTERVAL"],
    ]


def test_settings_hold_from_the_first_line(tmp_path: Path) -> None:
    program = """
        import threading
        guards = [threading.Lock() for _ in range(3)]
        for guard in guards:
            with guard:
                pass
        def fail():
            raise ValueError("secret")
        threading.excepthook = lambda _: None
        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
        from thread import telemetry
        [holds] = [lock.hold.count for lock in telemetry.snapshot().locks if lock.location.endswith("program.py:3")]
        [exception] = telemetry.snapshot().exceptions
        print(holds, "secret" in exception.last_traceback, telemetry.configure().stack_depth)
    """
    program_file = tmp_path / "program.py"
    program_file.write_text(dedent(program))
    done = subprocess.run(
        [sys.executable, str(program_file)],
        env={
            "THREAD_TELEMETRY": "1",
            "THREAD_TELEMETRY_EXPORTERS": "none",
            "THREAD_TELEMETRY_HOLD_SAMPLING": "1",
            "THREAD_TELEMETRY_STACK_DEPTH": "7",
            "THREAD_TELEMETRY_EXCEPTION_DETAILS": "0",
        },
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["3 False 7"]


HEAVY = {
    *("argparse", "ast", "dataclasses", "importlib.metadata", "inspect", "json", "logging", "prometheus_client", "re"),
    *("signal", "tempfile", "thread.telemetry", "threading", "traceback", "typing"),
}
"""Modules that a Python process observed from its start must not import."""


@pytest.mark.parametrize("exporters", ["none", "prometheus"])
def test_the_start_imports_only_what_observes(exporters: str) -> None:
    environment = {"THREAD_TELEMETRY": "1", "THREAD_TELEMETRY_EXPORTERS": exporters, "THREAD_TELEMETRY_PORT": "0"}
    if core := os.environ.get("THREAD_TELEMETRY_PURE"):
        environment["THREAD_TELEMETRY_PURE"] = core
    command = [sys.executable, "-X", "importtime", "-c", ""]
    plain, started = (
        {
            line.rpartition("|")[2].strip()
            for line in subprocess.run(command, env=each, capture_output=True, text=True).stderr.splitlines()
        }
        for each in ({}, environment)
    )
    assert "_thread_telemetry_start" in started
    unneeded = (started - plain) & HEAVY
    # The twin is the readable core, for platforms without a fast one.
    assert not unneeded - ({"dataclasses", "inspect", "ast", "re", "typing"} if core == "1" else set())
