"""The two cores do the same: small programs run with each, and their outputs are compared.

One suite passes over either core, but it looks at one at a time, and a difference that no test asks for would stay.
Known differences stand in `twin_programs.KNOWN_TO_DIFFER` with their reasons.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
import rows
from conformance.twin_programs import KNOWN_TO_DIFFER, PREAMBLE, PROGRAMS

import thread
from thread._backend import core

with_both_cores = pytest.mark.skipif(core.NAME != "c", reason="compares the twin with the C core")

SOURCES = Path(thread.__file__).parent
FOLDER = "/srv/twins"

ONLY_IN_C = {
    "module": "a module of Python needs no table of its functions: `__init__.py` imports them",
    "simple_queue": "waiting in a queue that is written in C takes C",
}
ONLY_IN_PYTHON = {
    "builtin": "functions that are written in C need not look like some",
}


class Run:
    """A program that runs with one of the cores."""

    def __init__(self, name: str, *, pure: bool) -> None:
        source = PREAMBLE + dedent((PROGRAMS | KNOWN_TO_DIFFER)[name])
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", f"exec(compile({source!r}, '{FOLDER}/program.py', 'exec'))"],
            env=os.environ
            | {"THREAD_TELEMETRY_PURE": "1" if pure else "0", "PYTHONPATH": str(Path(rows.__file__).parent)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def output(self) -> str:
        """Its output, without addresses and idents."""
        try:
            text, _ = self.process.communicate(timeout=100)
        finally:
            self.process.kill()
        return re.sub(r"\b0x[0-9a-f]+|\bowner=[1-9]\d*", "…", text)


def outputs(name: str) -> tuple[str, str]:
    """With the C core and with the twin."""
    in_c, in_python = Run(name, pure=False), Run(name, pure=True)
    return in_c.output(), in_python.output()


@with_both_cores
@pytest.mark.parametrize("name", PROGRAMS)
def test_both_cores_do_the_same(name: str) -> None:
    in_c, in_python = outputs(name)
    assert in_c
    assert "Traceback" not in in_c
    assert in_python == in_c


@with_both_cores
@pytest.mark.parametrize("reason", KNOWN_TO_DIFFER)
def test_known_differences_still_exist(reason: str) -> None:
    in_c, in_python = outputs(reason)
    assert "Traceback" not in in_c + in_python
    assert in_c != in_python


def test_each_file_in_c_has_a_twin_of_the_same_name() -> None:
    in_c = {path.stem for path in (SOURCES / "_c").glob("*.c")}
    in_python = {path.stem.removeprefix("_") for path in (SOURCES / "_core_py").glob("_[a-z]*.py")}
    assert in_c - in_python == set(ONLY_IN_C)
    assert in_python - in_c == set(ONLY_IN_PYTHON)
