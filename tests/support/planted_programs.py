"""Programs of tests/remote/planted*.py, started and looked at from outside."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from thread._remote.views import Dump, ThreadView

FILES = [Path(__file__).parent.parent / "remote" / name for name in ("planted.py", "planted_traps.py")]


class PlantedProgram:
    """Process that stays in what it has planted."""

    def __init__(self, process: subprocess.Popen[str], pid: int = 0) -> None:
        self.process = process
        self.pid = pid or process.pid

    def dump(self, *, pause: bool = False) -> Dump:
        from thread._remote.command import dump_process

        return dump_process(self.pid, pause=pause)

    def dump_when(self, holds: Callable[[Dump], object], seconds: float = 60.0) -> Dump:
        """Return the first dump of which `holds` is true; fails when there is none in time."""
        deadline = time.monotonic() + seconds
        while not holds(dump := self.dump()):
            if time.monotonic() > deadline:
                from thread._remote.formats.text import as_text

                raise AssertionError(f"waited {seconds:g} s in vain for what was planted:\n{as_text(dump)}")
            time.sleep(0.005)
        return dump

    def dump_when_waiting(self, *names: str, kind: str) -> Dump:
        """Return the first dump in which all threads of these names wait for something of a kind."""
        return self.dump_when(lambda dump: all(_waits(thread(dump, name), kind) for name in names))


def _waits(found: ThreadView | None, kind: str) -> bool:
    return found is not None and found.wait is not None and found.wait.kind == kind


def thread(dump: Dump, name: str) -> ThreadView | None:
    return next((thread for thread in dump.threads if thread.name == name), None)


def file_with(name: str) -> Path:
    """Return the file that has a program of this name."""
    return next(file for file in FILES if f"\ndef {name}(" in file.read_text(encoding="utf-8"))


@contextmanager
def planted(name: str, *arguments: str, observed: bool = False) -> Iterator[PlantedProgram]:
    """Start a program under this Python, or under the one that PLANTED_PYTHON names, and end it afterwards."""
    command = [os.environ.get("PLANTED_PYTHON", sys.executable), "-I"]
    if observed:
        command = [sys.executable, "-m", "thread", "run", "--exporter", "none"]
    process = subprocess.Popen(
        [*command, str(file_with(name)), name, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "planted\n"
        yield PlantedProgram(process)
    finally:
        process.kill()
        process.communicate()
