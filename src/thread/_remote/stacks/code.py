"""Code objects: their names, the line of each instruction, their handlers of exceptions, their `with` blocks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import NamedTuple

from ..bytecode.instructions import Bytecode, bytecode_of, heights
from ..interpreter.objects import Objects
from ..kernel.memory import UnreadableMemoryError

_LONGEST = 1 << 19
"""Bytes of bytecode of one function that are read."""
_LONGEST_TABLE = 1 << 17
"""Bytes of one table of a function that are read."""
_MOST_HANDLERS = 1 << 14
_MOST_BLOCKS = 100
"""Handlers around one instruction that are followed; the compiler allows 20 blocks inside each other."""
_DEEPEST = 1 << 12
"""Values of one frame that are read."""


class Handler(NamedTuple):
    """Entry of a table of exceptions: which instructions it covers, and who handles what they raise."""

    start: int
    end: int
    target: int
    height: int
    """Values that are left on the stack for it."""
    keeps_place: bool
    """True if the place of the error is put on the stack, too."""


@dataclass(frozen=True, slots=True)
class WithBlock:
    """Body of a `with` statement: where its manager's exit lies on the stack of the frame."""

    start: int
    end: int
    height: int
    """Height of the stack with the exit on top."""
    target: int


class Code:
    """Code object. Creating it reads its names; the rest is read when it is asked for."""

    def __init__(self, objects: Objects, address: int) -> None:
        layout, memory = objects.layout, objects.memory
        if objects.type_name(address) != "code":
            raise UnreadableMemoryError(f"no code at {address:#x}")
        self._objects = objects
        self.address = address
        self.fingerprint = fingerprint(objects, address)
        self.qualname = objects.text(memory.word(address + layout.code_qualname))
        self.filename = objects.text(memory.word(address + layout.code_filename))
        self.first_line = memory.int32(address + layout.code_firstlineno)
        self.local_count = memory.int32(address + layout.code_nlocalsplus)
        self.stack_size = memory.int32(address + layout.code_stacksize)
        self.instructions = address + layout.code_instructions
        if not 0 <= self.local_count <= _DEEPEST or not 0 <= self.stack_size <= _DEEPEST:
            raise UnreadableMemoryError(f"no code at {address:#x}")
        self._lines: dict[int, int | None] = {}
        self._blocks: dict[int, tuple[WithBlock, ...]] = {}
        self._instructions: dict[int, int] = {}

    @property
    def bytecode(self) -> Bytecode:
        return bytecode_of(self._objects.layout.version)

    @cached_property
    def local_names(self) -> tuple[str, ...]:
        word = self._objects.memory.word(self.address + self._objects.layout.code_localsplusnames)
        return tuple(self._objects.text(name) for name in self._objects.tuple_items(word)[: self.local_count])

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of globals and attributes that it uses."""
        word = self._objects.memory.word(self.address + self._objects.layout.code_names)
        return tuple(self._objects.text(name) for name in self._objects.tuple_items(word))

    @cached_property
    def instruction_bytes(self) -> bytes:
        size = 2 * self._objects.memory.word(self.address + self._objects.layout.var_size)
        return self._objects.memory.read(self.instructions, min(size, _LONGEST))

    def instruction_at(self, offset: int) -> int:
        """Return where the instruction begins to which an offset belongs."""
        if offset not in self._instructions:
            steps = self.bytecode.steps(self.instruction_bytes)
            found = (step.offset for step in steps if step.offset <= offset < step.next_offset)
            self._instructions[offset] = next(found, offset)
        return self._instructions[offset]

    @cached_property
    def handlers(self) -> tuple[Handler, ...]:
        table = self._objects.memory.word(self.address + self._objects.layout.code_exceptiontable)
        return tuple(islice(parse_handlers(self._objects.bytes_of(table, _LONGEST_TABLE)), _MOST_HANDLERS))

    @cached_property
    def heights(self) -> dict[int, int]:
        """Values on the stack before each instruction."""
        targets = [(handler.target, handler.height + handler.keeps_place + 1) for handler in self.handlers]
        return heights(self.bytecode, self.instruction_bytes, targets)

    @cached_property
    def line_table(self) -> bytes:
        table = self._objects.memory.word(self.address + self._objects.layout.code_linetable)
        return self._objects.bytes_of(table, _LONGEST_TABLE)

    def line(self, offset: int) -> int | None:
        """Return the line of the instruction at an offset in bytes, None if it has none."""
        if offset not in self._lines:
            self._lines[offset] = find_line(self.line_table, self.first_line, offset)
        return self._lines[offset]

    def handler_of(self, offset: int) -> Handler | None:
        return next((handler for handler in self.handlers if handler.start <= offset < handler.end), None)

    def with_blocks(self, offset: int) -> tuple[WithBlock, ...]:
        """Return the `with` blocks around an instruction, the innermost first."""
        found = self._blocks.get(offset)
        if found is None:
            found = self._blocks[offset] = tuple(self._with_blocks(offset))
        return found

    def _with_blocks(self, offset: int) -> Iterator[WithBlock]:
        handler, seen = self.handler_of(offset), set[int]()
        while handler is not None and handler.target not in seen and len(seen) < _MOST_BLOCKS:
            seen.add(handler.target)
            if self._leaves_with(handler.target):
                yield WithBlock(handler.start, handler.end, handler.height, handler.target)
            handler = self.handler_of(handler.target)

    def _leaves_with(self, target: int) -> bool:
        """True if a handler begins as the compiler has every `with` statement deal with exceptions."""
        code = self.instruction_bytes[target : target + 3]
        names = [self.bytecode.name(opcode) for opcode in code[::2]]
        return names == ["PUSH_EXC_INFO", "WITH_EXCEPT_START"]

    def with_range(self, block: WithBlock) -> tuple[int, int]:
        """First and last offset of all that a `with` block covers, which may be in several pieces."""
        pieces = [handler for handler in self.handlers if handler.target == block.target]
        return min(piece.start for piece in pieces), max(piece.end for piece in pieces)


def fingerprint(objects: Objects, address: int) -> tuple[int, ...]:
    """Return what is the same as long as the code at an address is the same."""
    layout, memory = objects.layout, objects.memory
    fields = (layout.code_qualname, layout.code_filename, layout.code_linetable, layout.code_exceptiontable)
    return tuple(memory.word(address + field) for field in (*fields, layout.var_size, layout.object_type))


def parse_handlers(table: bytes) -> Iterator[Handler]:
    """Yield the entries of a table of exceptions; offsets are in bytes."""
    place = 0

    def number() -> int:
        nonlocal place
        value = table[place] & 63
        while table[place] & 64:
            place += 1
            value = value << 6 | table[place] & 63
        place += 1
        return value

    try:
        while place < len(table):
            start, size, target, height = 2 * number(), 2 * number(), 2 * number(), number()
            yield Handler(start, start + size, target, height >> 1, bool(height & 1))
    except IndexError:
        return


def find_line(table: bytes, first_line: int, wanted: int) -> int | None:
    """Return the line of the instruction at the offset `wanted`, by a table of locations."""
    place, offset, line = 0, 0, first_line
    while place < len(table):
        kind, units = table[place] >> 3 & 15, (table[place] & 7) + 1
        place += 1
        step = 0
        if kind in (13, 14):
            step, place = _signed(table, place)
        elif 10 <= kind <= 12:
            step = kind - 10
        line += step
        if offset <= wanted < offset + 2 * units:
            return None if kind == 15 else line
        offset += 2 * units
        while place < len(table) and not table[place] & 0x80:
            place += 1
    return None


def _signed(table: bytes, place: int) -> tuple[int, int]:
    value, shift = 0, 0
    while place < len(table):
        value |= (table[place] & 63) << shift
        shift += 6
        place += 1
        if not table[place - 1] & 64:
            break
    return (-(value >> 1) if value & 1 else value >> 1), place
