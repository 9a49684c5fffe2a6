"""Frames of a thread: where each one stands, its locals, and what it calls at the moment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple

from ..interpreter.objects import Objects
from ..kernel.memory import UnreadableMemoryError
from .code import Code, fingerprint

MOST: Final = 250_000
"""Frames of all stacks together that are read in one look."""
DEEPEST: Final = 20_000
"""Frames of one stack that are read; the deepest stay unread."""
_OWNED_BY_THE_INTERPRETER: Final = 3
"""Frames of this owner, and of those after it, are no function's."""
_TAGS: Final = 3


class Call(NamedTuple):
    """Function that a frame calls: how it is named, the object it belongs to, and where its arguments begin."""

    function: int
    instance: int
    """0 if it belongs to none."""
    arguments: int = -1
    """Number of its arguments; -1 if that cannot be told."""


class Frame:
    """Frame of a function in Python."""

    def __init__(self, objects: Objects, address: int, code: Code) -> None:
        layout, memory = objects.layout, objects.memory
        self.objects = objects
        self.address = address
        self.code = code
        start = code.instructions
        if layout.frame_code_copy >= 0:
            start = self._own_copy(start)
        self.offset = memory.word(address + layout.frame_instruction) - start

    def _own_copy(self, start: int) -> int:
        """Return the address of the bytecode that this thread runs, in a free-threaded build."""
        layout, memory = self.objects.layout, self.objects.memory
        index = memory.int32(self.address + layout.frame_code_copy)
        copies = memory.word(self.code.address + layout.code_copies)
        if copies and 0 <= index < min(memory.word(copies), 1 << 20):
            return memory.word(copies + 8 + 8 * index) or start
        return start

    @property
    def line(self) -> int | None:
        try:
            return self.code.line(self.offset)
        except UnreadableMemoryError:
            return None

    @cached_property
    def instruction(self) -> int:
        """Offset of the instruction that it is at; the pointer may stand on what belongs to that one."""
        return self.code.instruction_at(self.offset)

    @property
    def globals(self) -> int:
        return self.objects.memory.word(self.address + self.objects.layout.frame_globals)

    def local(self, name: str) -> int:
        """Return the value of a local variable, 0 if it has none."""
        return next((value for local, value in self.locals() if local == name), 0)

    def locals(self) -> Iterator[tuple[str, int]]:
        for index, name in enumerate(self.code.local_names):
            value = self.slot(index)
            # What a nested function uses, too, stands in a cell.
            if value and self.objects.type_name(value) == "cell":
                value = self.objects.memory.word(value + self.objects.layout.weakref_object)
            if value:
                yield name, value

    def slot(self, index: int) -> int:
        """Return one of the locals, or of the values on the stack, which follow them."""
        word = self.objects.memory.word(self.address + self.objects.layout.frame_locals + 8 * index)
        if self.objects.layout.version < (3, 14):
            return word
        return 0 if word & _TAGS == _TAGS else word & ~_TAGS

    def stack(self, height: int) -> int:
        """Return the value at a height of the stack, 1 being the lowest; 0 where there is none."""
        if not 0 < height <= self.code.stack_size:
            return 0
        return self.slot(self.code.local_count + height - 1)

    @property
    def height(self) -> int:
        """Number of values on its stack while it calls something; -1 if that cannot be told."""
        layout = self.objects.layout
        if layout.frame_stack_pointer < 0:
            return self.code.heights.get(self.instruction, -1)
        pointer = self.objects.memory.word(self.address + layout.frame_stack_pointer)
        base = self.address + layout.frame_locals + 8 * self.code.local_count
        height = (pointer - base) // 8
        return height if 0 <= height <= self.code.stack_size else -1

    @cached_property
    def call(self) -> Call | None:
        """Return what the instruction that it is at calls, if that can be told."""
        code, offset = self.code.instruction_bytes, self.instruction
        if not 0 <= offset < len(code) - 1:
            return None
        name = self.code.bytecode.name(code[offset])
        height = self.height
        if name == "BEFORE_WITH" and height > 0:
            return self._entered(height)
        if name in ("CALL", "PRECALL", "CALL_KW"):
            arguments = self._argument(offset)
            values = arguments + (name == "CALL_KW")
            found = self._called(self.stack(height - values - 1), self.stack(height - values))
            return found and found._replace(arguments=arguments)
        if name == "CALL_FUNCTION_EX":
            newest = self.objects.layout.version >= (3, 14)
            arguments = 2 if newest else 1 + (code[offset + 1] & 1)
            return self._called(self.stack(height - arguments - 1), self.stack(height - arguments))
        return None

    def _argument(self, offset: int) -> int:
        code = self.code.instruction_bytes
        argument, place, shift = code[offset + 1], offset - 2, 8
        while place >= 0 and self.code.bytecode.name(code[place]) == "EXTENDED_ARG" and shift < 32:
            argument |= code[place + 1] << shift
            place, shift = place - 2, shift + 8
        return argument

    def _called(self, first: int, second: int) -> Call | None:
        """Two places hold a function and its instance, or one that is bound, and nothing."""
        if first and second:
            return Call(first, second)
        return bound(self.objects, first or second) if first or second else None

    def _entered(self, height: int) -> Call | None:
        """The manager of a `with` that is being entered: itself, or on 3.11 its exit in its place."""
        top = self.stack(height)
        if not top:
            return None
        found = bound(self.objects, top)
        return found._replace(arguments=0) if found.instance else Call(0, top, 0)

    @property
    def held_back(self) -> tuple[int, ...]:
        """Key of the place: another one if the frame has moved on."""
        return self.address, self.code.address, self.offset


def bound(objects: Objects, callee: int) -> Call:
    """Return the function and the instance of a method that is bound; of anything else, itself and 0."""
    layout, memory = objects.layout, objects.memory
    kind = objects.type_name(callee)
    if kind == "method":
        return Call(memory.word(callee + layout.method_function), memory.word(callee + layout.method_self))
    if kind in ("builtin_function_or_method", "builtin_method"):
        return Call(callee, memory.word(callee + layout.function_self))
    return Call(callee, 0)


@dataclass(frozen=True, slots=True)
class Stack:
    """Frames of a thread, the innermost first."""

    frames: tuple[Frame, ...]
    complete: bool
    """False where a frame could not be read, or there are too many."""


class Frames:
    """Reader of frames, for one look at a process."""

    def __init__(self, objects: Objects, before: Frames | None = None) -> None:
        self._objects = objects
        self._before = before._codes if before else {}
        self._codes: dict[int, Code] = {}
        self._left = MOST

    def code(self, address: int) -> Code:
        found = self._codes.get(address)
        if found is None:
            earlier = self._before.get(address)
            # Another function may have been made where an earlier look found one that is gone.
            if earlier is None or earlier.fingerprint != fingerprint(self._objects, address):
                earlier = Code(self._objects, address)
            found = self._codes[address] = earlier
        return found

    def stack(self, address: int) -> Stack:
        """Read the frames from one of them to the outermost."""
        layout, memory = self._objects.layout, self._objects.memory
        found: list[Frame] = []
        seen: set[int] = set()
        try:
            while address and address not in seen and len(seen) < DEEPEST and self._left > 0:
                seen.add(address)
                self._left -= 1
                head = memory.read(address, layout.frame_locals)
                if head[layout.frame_owner] < _OWNED_BY_THE_INTERPRETER:
                    found.append(self.frame(address))
                address = int.from_bytes(head[layout.frame_previous : layout.frame_previous + 8], "little")
        except UnreadableMemoryError:
            return Stack(tuple(found), False)
        return Stack(tuple(found), not address)

    def frame(self, address: int) -> Frame:
        """Read one frame. Raises UnreadableMemoryError if there is none at this address."""
        code = self._objects.memory.word(address + self._objects.layout.frame_code)
        return Frame(
            self._objects, address, self.code(code & ~_TAGS if self._objects.layout.version >= (3, 14) else code)
        )
