"""Memory that is corrupt, or made to mislead: a dump ends, says what it could read, and takes a bounded share."""

from __future__ import annotations

import os
import random
import resource
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from planted_programs import planted
from recorded_process import RecordedProcess, record

from thread._remote.bytecode.instructions import bytecode_of, heights
from thread._remote.command import CannotDumpError
from thread._remote.dump import still_threads, take, write
from thread._remote.formats.dot import as_dot
from thread._remote.formats.json_form import as_json
from thread._remote.formats.text import as_text
from thread._remote.interpreter.runtime import NoInterpreterError, Runtime, find_runtime
from thread._remote.kernel.memory import PAGE, PagedMemory, UnreadableMemoryError
from thread._remote.kernel.process import LiveProcess
from thread._remote.stacks.code import find_line, parse_handlers
from thread._remote.stacks.threads import Look
from thread._remote.wait_graph.program import Program

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="another process is read on Linux only")

REFUSALS = (UnreadableMemoryError, NoInterpreterError, CannotDumpError)
PROGRAMS = ("two_locks_by_with", "pool_in_itself")


@pytest.fixture(scope="module", params=PROGRAMS)
def recorded(request: pytest.FixtureRequest) -> Iterator[Recording]:
    with planted(request.param) as program:
        program.dump_when(lambda dump: dump.findings)
        yield Recording(program.pid)


class Recording:
    """Recorded process, with the places that a dump of it reads."""

    def __init__(self, pid: int) -> None:
        self.process = record(LiveProcess(pid))
        self.places: list[int] = []
        read, word = PagedMemory.read, PagedMemory.word
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(PagedMemory, "read", self._noting(read))
            patch.setattr(PagedMemory, "word", self._noting(word))
            take(self.process)
        self.places = sorted(set(self.places))
        self.runtime = find_runtime(self.process)

    def _noting(self, function: Callable[..., object]) -> Callable[..., object]:
        def noting(memory: PagedMemory, address: int, *size: int) -> object:
            self.places.append(address)
            return function(memory, address, *size)

        return noting

    def broken(self, chance: random.Random) -> RecordedProcess:
        """The process with something else in a few of the places that matter."""
        changes = {}
        for place in chance.sample(self.places, chance.randint(1, 5)):
            if place // PAGE in self.process.pages:
                changes[place] = self._something(chance)
        return self.process.changed(changes)

    def _something(self, chance: random.Random) -> bytes:
        kind = chance.randrange(6)
        if kind == 0:
            return chance.randbytes(chance.choice((1, 4, 8, 64, 512)))
        if kind == 1:
            return struct.pack("<Q", chance.choice(self.places))
        if kind == 2:
            return struct.pack("<Q", chance.choice(self.places) + chance.randint(-64, 64) & (1 << 64) - 1)
        return struct.pack("<Q", chance.choice((0, 1, 7, 255, 1 << 16, 1 << 31, 1 << 47, (1 << 63) - 1, (1 << 64) - 1)))


def look(process: RecordedProcess, runtime: Runtime) -> None:
    program = Program(Look(process, runtime))
    dump = write(process, runtime, program, still_threads(program, program), 0.0, None)
    for form in (as_text(dump), as_json([dump]), as_dot([dump])):
        form.encode()


def test_a_recorded_process_says_what_the_live_one_said(recorded: Recording) -> None:
    dump = take(recorded.process)
    assert dump.findings and dump.is_hung


def test_whatever_stands_in_a_structure_the_dump_ends(recorded: Recording) -> None:
    run_cases(recorded, range(100))


def run_cases(recorded: Recording, seeds: range) -> None:
    for seed in seeds:
        try:
            look(recorded.broken(random.Random(seed)), recorded.runtime)
        except REFUSALS:
            pass
        except BaseException as error:
            error.add_note(f"seed {seed}")
            raise


def test_whatever_stands_in_the_image_no_interpreter_is_made_up(recorded: Recording) -> None:
    for seed in range(100):
        try:
            find_runtime(recorded.broken(random.Random(seed)))
        except REFUSALS:
            pass


@pytest.mark.parametrize("version", [(3, 11), (3, 12), (3, 13)])
def test_whatever_stands_in_the_tables_of_a_function_they_are_read(version: tuple[int, int]) -> None:
    chance = random.Random(version[1])
    for _ in range(550):
        table = chance.randbytes(chance.randrange(200))
        found = list(parse_handlers(table))
        find_line(table, 1, chance.randrange(1000))
        heights(bytecode_of(version), table, [(handler.target, handler.height) for handler in found])


def test_a_page_that_is_gone_is_said(recorded: Recording) -> None:
    for number in sorted({place // PAGE for place in recorded.places})[::7]:
        pages = {at: page for at, page in recorded.process.pages.items() if at != number}
        gone = RecordedProcess(recorded.process.pid, pages, recorded.process.tasks(), recorded.process.images())
        try:
            look(gone, recorded.runtime)
        except REFUSALS:
            pass


def test_no_structure_makes_a_look_go_on_for_ever() -> None:
    memory = PagedMemory(RecordingOfZeros())
    with pytest.raises(UnreadableMemoryError):
        for place in range(1 << 20, 1 << 40, PAGE):
            memory.read(place, 8)
    with pytest.raises(UnreadableMemoryError):
        while True:
            memory.read(1 << 20, 1 << 13)


class RecordingOfZeros:
    def read(self, address: int, size: int) -> bytes:
        return bytes(size)


@pytest.mark.slow
@pytest.mark.timeout(290)
@pytest.mark.parametrize("part", range(int(os.environ.get("FUZZ_PARTS", "2"))))
def test_two_thousand_cases(part: int) -> None:
    """In a process of its own, which may not take more than a gigabyte. FUZZ_PARTS=50 makes it a hundred thousand."""
    here = Path(__file__)
    folders = [str(here.parent), str(here.parent.parent / "support")]
    code = f"import sys; sys.path[:0] = {folders!r}; import {here.stem} as tests; tests.main({part})"
    subprocess.run([sys.executable, "-c", code], check=True)


def main(part: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
    with planted(PROGRAMS[part % len(PROGRAMS)]) as program:
        program.dump_when(lambda dump: dump.findings)
        recorded = Recording(program.pid)
    run_cases(recorded, range(2_000 * part, 2_000 * (part + 1)))
