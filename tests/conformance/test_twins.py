"""The two cores do the same: small programs run with each, and their outputs are compared.

One suite passes over either core, but it looks at one at a time, and a difference that no test asks for would stay.
Known differences stand in `twin_programs.KNOWN_TO_DIFFER` with their reasons.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest
import rows
from conformance.twin_programs import KNOWN_TO_DIFFER, PREAMBLE, PROGRAMS

import thread
from thread._backend import core

with_both_cores = pytest.mark.skipif(core.NAME != "c", reason="compares the twin with the C core")

SOURCES = Path(thread.__file__).parent

ONLY_IN_C = {
    "module": "a module of Python needs no table of its functions: `__init__.py` imports them",
    "simple_queue": "waiting in a queue that is written in C takes C",
}
ONLY_IN_PYTHON = {
    "builtin": "functions that are written in C need not look like some",
}


# Importing everything takes far longer than a program. It happens once for each core, and every program runs in a
# child that is forked right after it.
FORK_SERVER = """
import faulthandler, os, sys
exec(sys.argv[1])
for program, output in iter(lambda: sys.stdin.readline().split(), []):
    child = os.fork()
    if not child:
        break
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
else:
    sys.exit()
faulthandler.dump_traceback_later(100, exit=True)
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
os.dup2(os.open(output, os.O_WRONLY), 1)
os.dup2(1, 2)
exec(compile(open(program).read(), "/srv/twins/program.py", "exec"))
"""


FAILED = "exit status "


class Core:
    """An interpreter that runs programs with one of the cores."""

    def __init__(self, *, pure: bool, folder: Path) -> None:
        folder.mkdir()
        self.program, self.printed = folder / "program.py", folder / "printed"
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", FORK_SERVER, PREAMBLE],
            env=os.environ
            | {"THREAD_TELEMETRY_PURE": "1" if pure else "0", "PYTHONPATH": str(Path(rows.__file__).parent)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def begin(self, name: str) -> None:
        self.program.write_text(PREAMBLE + dedent((PROGRAMS | KNOWN_TO_DIFFER)[name]))
        self.printed.write_text("")
        assert self.process.stdin
        print(self.program, self.printed, file=self.process.stdin, flush=True)

    def output(self) -> str:
        """The program's output, without addresses and idents, and its exit status unless that is 0."""
        assert self.process.stdout
        status = self.process.stdout.readline().strip()
        text = re.sub(r"\b0x[0-9a-f]+|\bowner=[1-9]\d*", "…", self.printed.read_text())
        return text if status == "0" else f"{text}{FAILED}{status}"

    def end(self) -> None:
        self.process.communicate(timeout=60)


@pytest.fixture(scope="module")
def cores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Core, Core]]:
    """The C core and the twin."""
    folder = tmp_path_factory.mktemp("twins")
    both = Core(pure=False, folder=folder / "c"), Core(pure=True, folder=folder / "python")
    yield both
    for each in both:
        each.end()


def outputs(cores: tuple[Core, Core], name: str) -> tuple[str, str]:
    """With the C core and with the twin."""
    in_c, in_python = cores
    in_c.begin(name)
    in_python.begin(name)
    return in_c.output(), in_python.output()


@with_both_cores
@pytest.mark.parametrize("name", PROGRAMS)
def test_both_cores_do_the_same(cores: tuple[Core, Core], name: str) -> None:
    in_c, in_python = outputs(cores, name)
    assert in_c
    assert "Traceback" not in in_c and FAILED not in in_c, in_c
    assert in_python == in_c


@with_both_cores
@pytest.mark.parametrize("reason", KNOWN_TO_DIFFER)
def test_known_differences_still_exist(cores: tuple[Core, Core], reason: str) -> None:
    in_c, in_python = outputs(cores, reason)
    assert "Traceback" not in in_c + in_python and FAILED not in in_c + in_python
    assert in_c != in_python


def test_each_file_in_c_has_a_twin_of_the_same_name() -> None:
    in_c = {path.stem for path in (SOURCES / "_c").glob("*.c")}
    in_python = {path.stem.removeprefix("_") for path in (SOURCES / "_core_py").glob("_[a-z]*.py")}
    assert in_c - in_python == set(ONLY_IN_C)
    assert in_python - in_c == set(ONLY_IN_PYTHON)
