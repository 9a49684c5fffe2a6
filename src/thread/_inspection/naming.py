"""Names of locks and of sites in the code.

They are read from code objects alone. Callers' variables are never scanned, since that would run descriptors and
properties of the program.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import islice
from types import CodeType
from weakref import ref

from .storing import makes_several, stored_name

RawSite = tuple[str, str, int]
"""Function, file and line, as the core keeps them."""

UNKNOWN_SITE: RawSite = ("unknown", "", 0)
OTHER_SITE: RawSite = ("other", "", 0)
GIL_SITE: RawSite = ("gil", "", 0)
"""No real site: it is blamed while a lock was free and the thread that waited for it could not run."""

IMPORT_SYSTEM = "<frozen importlib"


class _Lines:
    """Start of each line of a code object. The last one is kept, since one function may create many locks."""

    __slots__ = ("code", "lines", "offsets")

    def __init__(self, code: CodeType) -> None:
        self.code = ref(code)
        self.offsets: list[int] = []
        self.lines: list[int] = []
        for start, _, line in code.co_lines():
            self.offsets.append(start)
            self.lines.append(line or code.co_firstlineno)


_last: list[_Lines] = []


def line_of(code: CodeType, offset: int) -> int:
    """Line of the instruction at a byte offset; the function's first line if the compiler recorded none."""
    known = _last[0] if _last else None
    if known is None or known.code() is not code:
        known = _Lines(code)
        _last[:] = [known]
    at = bisect_right(known.offsets, offset) - 1
    return known.lines[at] if at >= 0 else code.co_firstlineno


def _line_around(code: CodeType, offset: int) -> tuple[int, int]:
    """Offsets at which the line of an instruction begins and ends."""
    line = line_of(code, offset)
    known = _last[0]
    first = after = bisect_right(known.offsets, offset)
    while first > 1 and known.lines[first - 2] == line:
        first -= 1
    while after < len(known.offsets) and known.lines[after] == line:
        after += 1
    end = known.offsets[after] if after < len(known.offsets) else len(code.co_code)
    return known.offsets[first - 1], end


def describe_site(code: CodeType, offset: int, module: str) -> RawSite:
    """Site of an instruction. Code at the top level of a module has the name of the module."""
    function = module if code.co_qualname == "<module>" else f"{module}.{code.co_qualname}"
    return function, code.co_filename, line_of(code, offset)


def describe_creation_site(code: CodeType, offset: int, module: str) -> tuple[str, str]:
    """Name of locks created by the call at `offset`, and its `file:line`.

    The name ends in the attribute or variable that stores the result, if the following instructions tell it. Otherwise
    it ends in the line number, and in the column as well if the line makes several.
    """
    line = line_of(code, offset)
    stored = stored_name(code, offset)
    if stored is None:
        qualname = _qualname(code)
        name = f"{module}:{qualname}:{line}" if qualname else f"{module}:{line}"
        if makes_several(code, *_line_around(code, offset)):
            name = f"{name}:{_column_of(code, offset)}"
    else:
        name = _name_of_stored(code, module, stored)
    return name, f"{code.co_filename}:{line}"


def _column_of(code: CodeType, offset: int) -> int:
    """Column of the instruction, from 1; its offset if the compiler recorded no column."""
    *_, column, _ = next(islice(code.co_positions(), offset // 2, None), (None, None))
    return offset if column is None else column + 1


def _qualname(code: CodeType) -> str:
    return "" if code.co_qualname == "<module>" else code.co_qualname


def _name_of_stored(code: CodeType, module: str, stored: tuple[str | None, str]) -> str:
    scope = qualname = _qualname(code)
    owner, attribute = stored
    if owner is not None:
        if code.co_argcount and owner == code.co_varnames[0]:
            scope = qualname.rpartition(".")[0]
        else:
            scope = f"{qualname}.{owner}" if qualname else owner
    return f"{module}:{scope}.{attribute}" if scope else f"{module}:{attribute}"


Step = tuple[CodeType, int, str]
"""Code, byte offset of the call that it makes, and module: one frame of a creation path."""


def describe_part(path: list[Step]) -> str | None:
    """Name of a lock of the standard library inside the object that the program made, `Queue.mutex` for example.

    `path` leads from the creation, innermost first, up to the program and without it. The outermost `__init__` that
    stores the result gives the name, or else the innermost frame that stores it; None if none does.
    """
    part: str | None = None
    for code, offset, module in path:
        stored = stored_name(code, offset, through_calls=True)
        if stored is None or (part is not None and code.co_name != "__init__"):
            continue
        name = _name_of_stored(code, module, stored).partition(":")[2]
        part = name.replace(".__init__", "")
    return part


def module_of(module_globals: dict[str, object]) -> str:
    """Name of the module, as code at its top level sees it."""
    name = module_globals.get("__name__")
    return name if type(name) is str else "unknown"
