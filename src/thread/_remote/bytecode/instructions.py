"""Instructions, and the height of the stack before each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Final, NamedTuple

Effect = tuple[str, int, int]
"""Rule by which the argument counts (`linear`, `parity`, or a name), a constant, and a factor."""

_NO_EFFECT: Final[Effect] = ("linear", 0, 0)
_LONGEST: Final = 1 << 16
"""Instructions of one function that are looked at."""


class Instruction(NamedTuple):
    """One instruction with all its variants."""

    name: str
    opcodes: tuple[int, ...]
    caches: int
    """Code units that belong to it and follow it."""
    effect: Effect = _NO_EFFECT
    jump_effect: Effect = _NO_EFFECT
    direction: str = ""
    """`forward` or `backward` if it may jump."""
    ends: bool = False
    """True if what follows is reached from elsewhere only."""


class Step(NamedTuple):
    """An instruction where it stands."""

    offset: int
    """In bytes, behind any prefix that extends the argument."""
    instruction: Instruction
    argument: int
    next_offset: int


@dataclass(frozen=True)
class Bytecode:
    """Instructions of one version."""

    by_opcode: dict[int, Instruction] = field(default_factory=dict)

    @staticmethod
    def of(instructions: tuple[Instruction, ...]) -> Bytecode:
        return Bytecode({opcode: found for found in instructions for opcode in found.opcodes})

    def name(self, opcode: int) -> str:
        """Return the name of an instruction, empty for an unknown one."""
        found = self.by_opcode.get(opcode)
        return found.name if found else ""

    def steps(self, code: bytes) -> Iterator[Step]:
        """Yield the instructions of a function, up to the first one that is not known."""
        offset, argument = 0, 0
        for _ in range(_LONGEST):
            found = self.by_opcode.get(code[offset]) if offset + 1 < len(code) else None
            if found is None:
                return
            argument = (argument << 8 | code[offset + 1]) & 0xFFFFFFFF
            after = offset + 2 + 2 * found.caches
            if found.name != "EXTENDED_ARG":
                yield Step(offset, found, argument, after)
                argument = 0
            offset = after


def change(effect: Effect, argument: int) -> int:
    """Return by how much an instruction changes the height of the stack."""
    rule, constant, factor = effect
    if rule == "linear":
        return constant + factor * argument
    if rule == "parity":
        return constant + factor * (argument & 1)
    return _RULES[rule](argument)


_RULES: Final[dict[str, Callable[[int], int]]] = {
    "BUILD_SLICE": lambda argument: -2 if argument == 3 else -1,
    "FORMAT_VALUE": lambda argument: -1 if argument & 4 else 0,
    "MAKE_FUNCTION": lambda argument: -(argument & 0xF).bit_count(),
    "UNPACK_EX": lambda argument: (argument & 0xFF) + (argument >> 8),
}


def heights(bytecode: Bytecode, code: bytes, handlers: list[tuple[int, int]]) -> dict[int, int]:
    """Return how many values lie on the stack before each instruction that can be reached.

    `handlers` are the places where exceptions are handled, each with the height of the stack there.
    """
    steps = {step.offset: step for step in bytecode.steps(code)}
    starts = _with_prefixes(bytecode, code, steps)
    found: dict[int, int] = {}
    todo = [(0, 0), *handlers]
    while todo:
        offset, height = todo.pop()
        offset = starts.get(offset, offset)
        step = steps.get(offset)
        if step is None or offset in found or height < 0:
            continue
        found[offset] = height
        instruction = step.instruction
        if instruction.direction:
            distance = 2 * step.argument * (-1 if instruction.direction == "backward" else 1)
            todo.append((step.next_offset + distance, height + change(instruction.jump_effect, step.argument)))
        if not instruction.ends:
            todo.append((step.next_offset, height + change(instruction.effect, step.argument)))
    return found


def _with_prefixes(bytecode: Bytecode, code: bytes, steps: dict[int, Step]) -> dict[int, int]:
    """Instructions by the first of the prefixes that extend their arguments, to which jumps go."""
    starts = {}
    for offset in steps:
        start = offset
        while start >= 2 and start - 2 not in steps and bytecode.name(code[start - 2]) == "EXTENDED_ARG":
            start -= 2
            starts[start] = offset
    return starts


@cache
def bytecode_of(version: tuple[int, int]) -> Bytecode:
    """Return the instructions of a version. Raises ImportError for one that is not known."""
    found: Bytecode = import_module(f"{__package__}.python{version[0]}_{version[1]}").BYTECODE
    return found
