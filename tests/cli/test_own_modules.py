"""Modules of the program win for the program, in every way of starting it, and ours work all the same."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import urllib.request
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import dedent

import pytest

NAMES = ("thread", "logging", "http", "queue", "signal", "gzip", "prometheus_client", "rich", "opcode")

APP = """
    import importlib, sys
    {names}
    def say():
        for name in NAMES:
            module = importlib.import_module(name)
            print(name, getattr(module, "VALUE", None), module is sys.modules[name], module.__name__)
    say()
"""


@dataclass(frozen=True)
class Start:
    """One way of starting the program in the folder `program`, as seen from the folder above."""

    arguments: Sequence[str]
    below: bool = False
    """True if it starts in the folder of the program."""
    python_path: bool = False
    flags: Sequence[str] = ()


STARTS = {
    "script": Start(["program/app.py"]),
    "script of this folder": Start(["app.py"], below=True),
    "module": Start(["-m", "app"], below=True),
    "folder": Start(["program"]),
    "zip": Start(["program.zip"]),
    "search path": Start(["elsewhere/app.py"], python_path=True),
    "module of the search path": Start(["-m", "app"], python_path=True),
    "safe path": Start(["program/app.py"], flags=["-P"]),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    program = tmp_path / "program"
    program.mkdir()
    app = dedent(APP).format(names=f"NAMES = {NAMES}")
    for name in NAMES:
        program.joinpath(f"{name}.py").write_text(f"print('importing {name}')\nVALUE = 'its own {name}'\n")
    for path in (program / "app.py", program / "__main__.py", tmp_path / "elsewhere" / "app.py"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(app)
    with zipfile.ZipFile(tmp_path / "program.zip", "w") as archive:
        for path in program.iterdir():
            archive.write(path, path.name)
    return tmp_path


def run(folder: Path, start: Start, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("THREAD_TELEMETRY")}
    if core := os.environ.get("THREAD_TELEMETRY_PURE"):
        kept["THREAD_TELEMETRY_PURE"] = core
    if start.python_path:
        kept["PYTHONPATH"] = str(folder / "program")
    return subprocess.run(
        [sys.executable, *start.flags, *command, *start.arguments],
        cwd=folder / "program" if start.below else folder,
        env=kept | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("way", STARTS)
def test_the_program_finds_what_it_calls_its_own(folder: Path, way: str) -> None:
    plain = run(folder, STARTS[way])
    assert plain.returncode == 0, plain.stderr
    assert ("its own thread" in plain.stdout) == (way != "safe path")
    activated = run(folder, STARTS[way], THREAD_TELEMETRY="1", THREAD_TELEMETRY_EXPORTERS="none")
    assert (activated.returncode, activated.stdout) == (0, plain.stdout), activated.stderr
    under_run = run(folder, STARTS[way], "-m", "thread", "run", "--exporter", "none")
    assert (under_run.returncode, under_run.stdout) == (0, plain.stdout), under_run.stderr


WORKS = """
    import sys, threading, time
    {names}
    for name in NAMES:
        __import__(name)
    guard = threading.Lock()
    for _ in range(7):
        with guard:
            pass
    print("begun", flush=True)
    input()
    for name in NAMES:
        assert sys.modules[name].VALUE == f"its own {{name}}", name
    """


@pytest.mark.parametrize("early", [True, False], ids=["imported by the program", "left alone by the program"])
@pytest.mark.parametrize("command", [[], ["-m", "thread", "run", "--exporter", "prometheus", "--exporter", "console"]])
def test_our_own_page_and_report_are_made_of_our_own_modules(folder: Path, command: list[str], early: bool) -> None:
    names = f"NAMES = {NAMES if early else ()}"
    (folder / "program" / "app.py").write_text(dedent(WORKS).format(names=names))
    with subprocess.Popen(
        [sys.executable, *command, "program/app.py"],
        cwd=folder,
        env=os.environ
        | {"THREAD_TELEMETRY": "0" if command else "1", "THREAD_TELEMETRY_PORT": "0"}
        | {"THREAD_TELEMETRY_EXPORTERS": "prometheus,console"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        assert process.stdout is not None
        address = re.fullmatch(r"thread: metrics at (\S+)\n", process.stderr.readline())
        assert address is not None
        said = [process.stdout.readline() for _ in range(len(NAMES) + 1 if early else 1)]
        with urllib.request.urlopen(address[1], timeout=20) as answer:
            page = answer.read().decode()
        stdout, stderr = process.communicate("\n", timeout=60)
    assert process.returncode == 0, stderr
    assert said[-1] == "begun\n"
    assert stdout == ""
    assert re.search(r'python_lock_acquisitions_total\{.*:guard".*\} 7\n', page)
    assert "No thread had to wait" in stderr
    assert "Traceback" not in stderr


PACKAGE = {
    "__init__.py": "from ._events import VALUE\n",
    "_events.py": "VALUE = 'its own events'\n",
    "telemetry.py": "from . import _events\nVALUE = _events.VALUE + ' by its own telemetry'\n",
    "__main__.py": "import sys\nprint('its own command', sys.argv[1:])\n",
}


@pytest.fixture
def with_package(tmp_path: Path) -> Path:
    package = tmp_path / "program" / "thread"
    package.mkdir(parents=True)
    for name, text in PACKAGE.items():
        package.joinpath(name).write_text(text)
    (tmp_path / "program" / "app.py").write_text(
        "import threading\nguard = threading.Lock()\nwith guard: pass\n"
        "from thread import telemetry, _events\nimport thread\nprint(thread.VALUE, telemetry.VALUE, _events.__file__)\n"
    )
    return tmp_path


@pytest.mark.parametrize("way", ["script", "module", "search path"])
def test_a_package_of_that_name_has_its_own_submodules(with_package: Path, way: str) -> None:
    start = Start(["program/app.py"]) if way == "search path" else STARTS[way]
    start = replace(start, python_path=way == "search path")
    plain = run(with_package, start)
    assert "its own events its own events by its own telemetry" in plain.stdout
    activated = run(with_package, start, THREAD_TELEMETRY="1", THREAD_TELEMETRY_EXPORTERS="console")
    assert activated.stdout == plain.stdout
    assert re.search(r"[1-9] acquisitions? of [1-9] locks? without contention", activated.stderr)
    under_run = run(with_package, start, "-m", "thread", "run", "--exporter", "console")
    assert under_run.stdout == plain.stdout
    assert re.search(r"[1-9] acquisitions? of [1-9] locks? without contention", under_run.stderr)


def test_a_command_of_its_own_stays_its_own(with_package: Path) -> None:
    start = Start(["-m", "thread", "serve"], below=True)
    plain = run(with_package, start)
    assert plain.stdout == "its own command ['serve']\n"
    activated = run(with_package, start, THREAD_TELEMETRY="1", THREAD_TELEMETRY_EXPORTERS="none")
    assert (activated.stdout, activated.stderr) == (plain.stdout, "")


def test_our_command_is_ours_whatever_lies_over_it(with_package: Path) -> None:
    command = with_package / "thread"
    command.write_text("import sys\nfrom _thread_telemetry_start import main\nsys.exit(main())\n")
    start = Start([str(command), "run", "--exporter", "none", "program/app.py"], python_path=True)
    assert "its own events" in run(with_package, start).stdout


def test_a_stdlib_module_of_the_programs_own_is_not_instrumented(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.mkdir()
    for name in ("threading", "queue"):
        program.joinpath(f"{name}.py").write_text("Lock = 'a padlock'\n")
    program.joinpath("app.py").write_text(
        "import queue, threading\nfrom thread import telemetry\nprint(threading.Lock, queue.Lock)\n"
        "print(telemetry.snapshot().coverage.faults)\n"
    )
    plain = run(tmp_path, STARTS["script"])
    assert plain.stdout == "a padlock a padlock\n0\n"
    for command in ([], ["-m", "thread", "run", "--exporter", "none"]):
        done = run(tmp_path, STARTS["script"], *command, THREAD_TELEMETRY="1", THREAD_TELEMETRY_EXPORTERS="none")
        assert done.stdout == plain.stdout
        # Newer versions add a guess at the cause, which they base on the folder that they were started in.
        assert done.stderr.partition(" (consider")[0].strip() == plain.stderr.partition(" (consider")[0].strip()
