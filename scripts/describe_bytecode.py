"""Bytecode of the running Python, as `thread._remote` needs it to read the code of another process.

usage: python3.X scripts/describe_bytecode.py > src/thread/_remote/bytecode/python3_X.py
"""

from __future__ import annotations

import dis
import opcode
import sys
from typing import Any

WITH_STACK = sys.version_info < (3, 14)
"""Later interpreters keep the height of a frame's stack where it can be read."""

BY_RULE = {"MAKE_FUNCTION", "FORMAT_VALUE", "BUILD_SLICE", "UNPACK_EX"}
"""Instructions whose argument counts in a way of its own; `thread._remote.bytecode.instructions` has the rules."""
ENDS = {"RAISE_VARARGS", "RERAISE", "RETURN_CONST", "RETURN_VALUE", "INTERPRETER_EXIT"}
BACKWARD = "BACKWARD"


def base_names() -> dict[int, str]:
    """The instruction that each opcode is a variant of."""
    every: dict[str, int] = dict(opcode.opmap)
    every.update(getattr(dis, "_all_opmap", {}))
    every.update(getattr(opcode, "_specialized_opmap", {}))
    variants = {variant: base for base, names in vars(opcode)["_specializations"].items() for variant in names}
    bases = {}
    for name, number in every.items():
        if number > 255:
            continue
        plain = variants.get(name, name.removeprefix("INSTRUMENTED_"))
        if plain in opcode.opmap and not name.startswith(("INSTRUMENTED_LINE", "INSTRUMENTED_INSTR", "ENTER_EX")):
            bases[number] = plain
    return bases


def caches() -> dict[str, int]:
    found: Any = vars(opcode)["_inline_cache_entries"]
    items = found.items() if hasattr(found, "items") else ((opcode.opname[n], count) for n, count in enumerate(found))
    return {name: count for name, count in items if count}


def effect(name: str, jump: bool) -> tuple[str, int, int]:
    """Return the change of the height of the stack: the rule for the argument, a constant, a factor."""
    number = opcode.opmap[name]
    if name == "PRECALL":
        return "linear", 0, 0  # The compiler counts the arguments here, the interpreter takes them at CALL.
    if name == "RETURN_GENERATOR":
        return "linear", 1, 0  # Whoever starts the generator puts the value there that POP_TOP takes.
    if name == "CALL" and sys.version_info < (3, 12):
        return "linear", -1, -1
    if number < opcode.HAVE_ARGUMENT and not (sys.version_info >= (3, 13) and number in opcode.hasarg):
        return "linear", dis.stack_effect(number, jump=jump), 0
    arguments = range(600)
    effects = [dis.stack_effect(number, argument, jump=jump) for argument in arguments if valid(name, argument)]
    if name in BY_RULE:
        return name, 0, 0
    constant = effects[0]
    factor = effects[1] - constant if len(effects) > 1 else 0
    for kind, counted in (("linear", arguments), ("parity", [argument & 1 for argument in arguments])):
        if effects == [constant + factor * argument for argument in counted]:
            return kind, constant, factor
    raise ValueError(f"{name}: {effects[:9]}")


def valid(name: str, argument: int) -> bool:
    try:
        dis.stack_effect(opcode.opmap[name], argument)
    except ValueError:
        return False
    return True


def main() -> None:
    bases = base_names()
    names = sorted(set(bases.values()))
    known = caches()
    jumps = {opcode.opname[number] for number in (*opcode.hasjrel, *opcode.hasjabs)}
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    print(f'"""Bytecode of Python {version}; made by `scripts/describe_bytecode.py`."""\n')
    print("from __future__ import annotations\n\nfrom typing import Final\n")
    print("from .instructions import Bytecode, Instruction\n")
    print("BYTECODE: Final = Bytecode.of(\n    (")
    for name in names:
        opcodes = tuple(sorted(number for number, base in bases.items() if base == name))
        parts = [repr(name), repr(opcodes), str(known.get(name, 0))]
        if WITH_STACK:
            parts.append(repr(effect(name, False)))
            if name in jumps:
                parts.append(repr(effect(name, True)))
                parts.append(repr("backward" if BACKWARD in name else "forward"))
                if name.startswith("JUMP_") and name in ("JUMP_FORWARD", "JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT"):
                    parts.append("True")
            elif name in ENDS:
                parts.append("ends=True")
        print(f"        Instruction({', '.join(parts)}),".replace("'", '"'))
    print("    )\n)")


main()
