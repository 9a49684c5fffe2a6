"""Functions of the library, read as if they were another process's: we make of them what the interpreter makes."""

from __future__ import annotations

import concurrent.futures.thread
import contextlib
import dis
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import CodeType

import pytest

from thread._remote.bytecode.instructions import bytecode_of, heights
from thread._remote.layout.tables import NEWEST
from thread._remote.stacks.code import find_line, parse_handlers

VERSION = (sys.version_info[0], sys.version_info[1])
ROOT = Path(__file__).parent.parent.parent

pytestmark = pytest.mark.skipif(VERSION > NEWEST, reason="a version that is not known yet")


def codes_in(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from codes_in(constant)


MODULES = (threading, queue, contextlib, concurrent.futures.thread)
CODES = [
    code
    for module in MODULES
    for code in codes_in(compile(Path(str(module.__file__)).read_text(encoding="utf-8"), str(module.__file__), "exec"))
]


def test_instructions_are_those_of_the_interpreter() -> None:
    for code in CODES:
        ours = [(step.offset, step.instruction.name) for step in bytecode_of(VERSION).steps(code.co_code)]
        theirs = [(each.offset, each.opname) for each in dis.get_instructions(code) if each.opname != "EXTENDED_ARG"]
        assert ours == [each for each in theirs if each[1] != "CACHE"]


def test_handlers_are_those_of_the_interpreter() -> None:
    for code in CODES:
        ours = [(each.start, each.end, each.target, each.height) for each in parse_handlers(code.co_exceptiontable)]
        theirs = dis._parse_exception_table(code)  # type: ignore[attr-defined]
        assert ours == [(each.start, each.end, each.target, each.depth) for each in theirs]


def test_lines_are_those_of_the_interpreter() -> None:
    for code in CODES:
        for start, end, line in code.co_lines():
            for offset in (start, end - 2):
                assert find_line(code.co_linetable, code.co_firstlineno, offset) == line


@pytest.mark.skipif(VERSION >= (3, 14), reason="the interpreter keeps the height itself")
def test_stacks_are_as_high_as_the_compiler_says() -> None:
    for code in CODES:
        targets = [(each.target, each.height + each.keeps_place + 1) for each in parse_handlers(code.co_exceptiontable)]
        found = heights(bytecode_of(VERSION), code.co_code, targets)
        assert max(found.values()) <= code.co_stacksize
        offsets = {step.offset for step in bytecode_of(VERSION).steps(code.co_code)}
        calls = {each.offset for each in dis.get_instructions(code) if each.opname == "CALL"}
        assert calls & offsets <= found.keys() | unreachable(code)


def unreachable(code: CodeType) -> set[int]:
    """Instructions behind a return or raise that nothing jumps to; the compiler leaves some."""
    known = {each.offset for each in dis.get_instructions(code) if each.is_jump_target}
    dead, result = False, set()
    for each in dis.get_instructions(code):
        dead = (dead and each.offset not in known) and True
        if dead:
            result.add(each.offset)
        dead = dead or each.opname in ("RETURN_VALUE", "RETURN_CONST", "RAISE_VARARGS", "RERAISE")
    return result


def test_the_table_of_this_version_is_the_one_that_the_script_makes() -> None:
    script = ROOT / "scripts" / "describe_bytecode.py"
    made = subprocess.run([sys.executable, script], check=True, capture_output=True, text=True).stdout
    table = ROOT / "src" / "thread" / "_remote" / "bytecode" / f"python{VERSION[0]}_{VERSION[1]}.py"
    assert made == table.read_text()
