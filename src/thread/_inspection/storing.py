"""The attribute or variable that stores the result of a call, read from the instructions after the call.

The interpreter's stack is simulated as long as the code only loads, calls, and builds tuples and lists. So in `a, b =
Lock(), Lock()` each lock gets its own name.
"""

from __future__ import annotations

import opcode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType
    from typing import Final

    Stored = tuple[str | None, str]
    """The object and its attribute, or None and the variable."""

_LOADS_OF_OBJECTS: Final = ("LOAD_FAST", "LOAD_NAME", "LOAD_GLOBAL", "LOAD_DEREF")
_MOST_INSTRUCTIONS: Final = 64
_HAS_METHOD_BIT: Final = "LOAD_METHOD" not in opcode.opmap


def stored_name(code: CodeType, offset: int, *, through_calls: bool = False) -> Stored | None:
    """The attribute or variable that stores the result of the call at `offset`; None if that is unknown.

    With `through_calls` also if the result is an argument of another call, as in `Condition(Lock())`. Names made up by
    the compiler or by a tool, such as pytest's in assertions, do not count.
    """
    stored = _Stack(code, through_calls).follow(offset)
    return stored if stored is not None and stored[1].partition("[")[0].isidentifier() else None


def makes_several(code: CodeType, start: int, end: int) -> bool:
    """True if there are several calls without arguments between two offsets."""
    found = [name for _, name, argument in _instructions(code, start, end) if name == "CALL" and not argument]
    return len(found) > 1


class _Stack:
    """A value on the interpreter's stack, and the number of other values above it."""

    def __init__(self, code: CodeType, through_calls: bool) -> None:
        self.code = code
        self.through_calls = through_calls
        self.above = 0
        self.owner: str | None = None
        self.indices: list[int] = []
        self.stored: Stored | None = None

    def follow(self, offset: int) -> Stored | None:
        for count, (name, argument) in enumerate(_instructions_after(self.code, offset)):
            if count >= _MOST_INSTRUCTIONS or not self._step(name, argument):
                break
        return self.stored

    def _step(self, name: str, argument: int) -> bool:
        """Take an instruction. Returns whether the value is still on the stack."""
        if name.startswith("STORE_FAST_") and name != "STORE_FAST_MAYBE_NULL":
            return self._store_pair(name, argument)
        if name in ("STORE_NAME", "STORE_GLOBAL"):
            return self._store(None, self.code.co_names[argument], 1)
        if name in ("STORE_FAST", "STORE_DEREF", "STORE_FAST_MAYBE_NULL"):
            return self._store(None, _variable(self.code, argument), 1)
        if name == "STORE_ATTR":
            return self._store(self.owner, self.code.co_names[argument], 2)
        if name.startswith("LOAD_"):
            return self._load(name, argument)
        if name in ("CALL", "CALL_KW"):
            return self._call(argument + (3 if name == "CALL_KW" else 2))
        if name in ("BUILD_TUPLE", "BUILD_LIST"):
            return self._build(argument)
        return self._move(name, argument)

    def _store(self, owner: str | None, name: str, taken: int) -> bool:
        # The object to store into lies above the value.
        if self.above == taken - 1:
            self.stored = owner, name + "".join([f"[{index}]" for index in reversed(self.indices)])
            return False
        self.above -= taken
        return self.above >= 0

    def _store_pair(self, name: str, argument: int) -> bool:
        """Take two instructions that the compiler has fused. The argument's upper half belongs to the first."""
        if not self._store(None, _variable(self.code, argument >> 4), 1):
            return False
        if "LOAD" in name:
            self._loaded(1, _variable(self.code, argument & 15))
            return True
        return self._store(None, _variable(self.code, argument & 15), 1)

    def _load(self, name: str, argument: int) -> bool:
        if name in ("LOAD_ATTR", "LOAD_METHOD"):
            if self.above == 0:
                return False
            self._loaded(argument & 1 if name == "LOAD_ATTR" and _HAS_METHOD_BIT else name == "LOAD_METHOD", None)
        elif name.startswith("LOAD_SUPER_ATTR"):
            return False
        elif name.startswith(_LOADS_OF_OBJECTS):
            pushed = 1 + (argument & 1 if name == "LOAD_GLOBAL" else name.count("LOAD_FAST") == 2)
            self._loaded(pushed, _loaded_name(self.code, name, argument))
        else:
            self._loaded(1, None)
        return True

    def _loaded(self, pushed: int, name: str | None) -> None:
        self.above += pushed
        self.owner = name

    def _call(self, taken: int) -> bool:
        if self.above >= taken:
            self.above += 1 - taken
            return True
        self.above = 0
        return self.through_calls

    def _build(self, taken: int) -> bool:
        if self.above >= taken:
            self.above += 1 - taken
            return True
        self.indices.append(taken - 1 - self.above)
        self.above = 0
        # A lock alone in a list is named after its line.
        return taken > 1

    def _unpack(self, pushed: int) -> bool:
        if self.above > 0:
            self.above += pushed - 1
            return True
        if not self.indices:
            return False
        self.above = self.indices.pop()
        return True

    def _move(self, name: str, argument: int) -> bool:
        if name == "SWAP":
            others = argument - 1
            self.above = others if self.above == 0 else 0 if self.above == others else self.above
        elif name == "COPY":
            self.above = 0 if self.above == argument - 1 else self.above + 1
        elif name == "PUSH_NULL":
            self.above += 1
        elif name == "UNPACK_SEQUENCE":
            return self._unpack(argument)
        elif name == "POP_TOP":
            self.above -= 1
            return self.above >= 0
        else:
            return name in ("NOP", "PRECALL", "KW_NAMES", "NOT_TAKEN")
        return True


def _instructions(code: CodeType, start: int, end: int | None = None) -> Iterator[tuple[int, str, int]]:
    """Offset, name and argument of each instruction."""
    content = code.co_code
    extended = 0
    for position in range(start, (len(content) if end is None else end) - 1, 2):
        name = opcode.opname[content[position]]
        argument = content[position + 1] | extended
        extended = argument << 8 if name == "EXTENDED_ARG" else 0
        if name not in ("CACHE", "EXTENDED_ARG"):
            yield position, name, argument


def _instructions_after(code: CodeType, offset: int) -> Iterator[tuple[str, int]]:
    # 3.11 makes the call at PRECALL or at the CALL that follows, depending on how often it ran before.
    call_follows = opcode.opname[code.co_code[offset]] == "PRECALL"
    for _, name, argument in _instructions(code, offset + 2):
        if call_follows and name == "CALL":
            call_follows = False
            continue
        yield name, argument


def _loaded_name(code: CodeType, name: str, argument: int) -> str | None:
    if name == "LOAD_GLOBAL":
        return code.co_names[argument >> 1]
    if name == "LOAD_NAME":
        return code.co_names[argument]
    if name.count("LOAD_FAST") == 2:
        return _variable(code, argument & 15)
    return _variable(code, argument)


def _variable(code: CodeType, argument: int) -> str:
    from_oparg: Callable[[int], str] = code._varname_from_oparg  # type: ignore[attr-defined]
    return from_oparg(argument)
