"""The names of lock identities and of sites in the code.

Names are read off code objects alone. Callers' variables are never scanned, since that runs descriptors and
properties of the observed program.
"""

from __future__ import annotations

import opcode
import os
from bisect import bisect_right
from types import CodeType
from weakref import ref

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RawSite = tuple[str, str, int]
"""Function, file and line, as the core keeps them."""

UNKNOWN_SITE: RawSite = ("unknown", "", 0)
OTHER_SITE: RawSite = ("other", "", 0)
GIL_SITE: RawSite = ("gil", "", 0)
"""No place, but what to blame while a lock was to be had and the thread that waited for it could not run."""

# What `is_internal` goes by; the C core reads these too, since it may run no Python code while a thread waits.
OWN_FOLDER = os.path.dirname(os.path.abspath(__file__)) + os.sep
INTERNAL_PREFIXES = (OWN_FOLDER, "<frozen", "<string>")
STANDARD_LIBRARY = os.path.dirname(os.path.abspath(os.__file__)) + os.sep
PACKAGE_FOLDERS = tuple(f"{os.sep}{name}{os.sep}" for name in ("site-packages", "dist-packages"))
TELEMETRY_FOLDERS = tuple(
    f"{os.sep}{name}{os.sep}"
    for name in ("ddtrace", "opentelemetry", "prometheus_client", "sentry_sdk", "thread_exporters")
)
# What these make serves telemetry alone, whoever made them make it: it is not observed.
SDK_FOLDERS = tuple(f"{os.sep}opentelemetry{os.sep}{name}{os.sep}" for name in ("exporter", "sdk"))

IMPORT_SYSTEM = "<frozen importlib"

_LOADS_OF_OBJECTS = frozenset(
    name for name in opcode.opname if name.startswith(("LOAD_FAST", "LOAD_NAME", "LOAD_GLOBAL", "LOAD_DEREF"))
)
_INSTRUCTIONS_LOOKED_AT = 6


def is_internal(filename: str) -> bool:
    """Whether code of this file is charged to its caller: the standard library, telemetry libraries, generated code."""
    if filename.startswith(INTERNAL_PREFIXES):
        return True
    if any(folder in filename for folder in PACKAGE_FOLDERS):
        return any(folder in filename for folder in TELEMETRY_FOLDERS)
    return filename.startswith(STANDARD_LIBRARY)


def is_of_an_sdk(filename: str) -> bool:
    """Whether it is code that telemetry libraries export with."""
    return any(folder in filename for folder in SDK_FOLDERS)


class _Lines:
    """Where in a code object each line begins: kept for the last one, in case it has many places."""

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
    """The line of the instruction at a byte offset, the function's first when the compiler left none."""
    known = _last[0] if _last else None
    if known is None or known.code() is not code:
        known = _Lines(code)
        _last[:] = [known]
    at = bisect_right(known.offsets, offset) - 1
    return known.lines[at] if at >= 0 else code.co_firstlineno


def describe_site(code: CodeType, offset: int, module: str) -> RawSite:
    """The site of an instruction. A module's own code is called after the module."""
    function = module if code.co_qualname == "<module>" else f"{module}.{code.co_qualname}"
    return function, code.co_filename, line_of(code, offset)


def describe_place(code: CodeType, offset: int, module: str) -> tuple[str, str]:
    """The identity of locks created by the call at `offset`, and its `file:line`.

    The name ends in the attribute or variable that the result is stored in, where the instructions after the call
    tell it, else in the line number.
    """
    line = line_of(code, offset)
    stored = _stored_name(code, offset)
    if stored is None:
        qualname = _qualname(code)
        name = f"{module}:{qualname}:{line}" if qualname else f"{module}:{line}"
    else:
        name = _name_of_stored(code, module, stored)
    return name, f"{code.co_filename}:{line}"


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
"""Code, byte offset of the call that it makes, and module: a frame on the way to something new."""


def describe_part(route: list[Step]) -> str | None:
    """What a lock that the standard library made for itself is called inside the object that the program made.

    `route` leads from the creation, innermost first, to the program, exclusively. `Queue.mutex` is what its outermost
    `__init__` that stores the result calls it, else the innermost frame that does; None where nothing stores it.
    """
    part: str | None = None
    for code, offset, module in route:
        stored = _stored_name(code, offset, through_calls=True)
        if stored is None or (part is not None and code.co_name != "__init__"):
            continue
        name = _name_of_stored(code, module, stored).partition(":")[2]
        part = name.replace(".__init__", "")
    return part


def _stored_name(code: CodeType, offset: int, *, through_calls: bool = False) -> tuple[str | None, str] | None:
    """The object and attribute, or None and the variable, that the call's result goes to.

    With `through_calls` also the result of another call that it is an argument of, as in `Condition(Lock())`.
    """
    owner: str | None = None
    for name, argument in _instructions_after(code, offset):
        if name in ("STORE_NAME", "STORE_GLOBAL"):
            return None, code.co_names[argument]
        if name in ("STORE_FAST", "STORE_DEREF"):
            return None, _variable(code, argument)
        if name.startswith("STORE_FAST_"):
            # A pair fused by the compiler since 3.13: the upper half of the argument is what is stored first.
            return None, _variable(code, argument >> 4)
        if name == "STORE_ATTR":
            return owner, code.co_names[argument]
        if name in _LOADS_OF_OBJECTS:
            owner = _loaded_name(code, name, argument)
        elif name == "LOAD_ATTR":
            owner = None
        elif name != "COPY" and not (through_calls and name in ("CALL", "PRECALL")):
            return None
    return None


def _instructions_after(code: CodeType, offset: int) -> Iterator[tuple[str, int]]:
    instructions = code.co_code
    # 3.11 makes the call at PRECALL or at the CALL that follows, depending on how often it ran before.
    call_follows = opcode.opname[instructions[offset]] == "PRECALL"
    extended = 0
    seen = 0
    for position in range(offset + 2, len(instructions) - 1, 2):
        name = opcode.opname[instructions[position]]
        if name == "CACHE" or (name == "CALL" and call_follows):
            call_follows = call_follows and name == "CACHE"
            continue
        argument = instructions[position + 1] | extended
        if name == "EXTENDED_ARG":
            extended = argument << 8
            continue
        extended = 0
        yield name, argument
        seen += 1
        if seen == _INSTRUCTIONS_LOOKED_AT:
            return


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


def module_of(module_globals: dict[str, object]) -> str:
    """The module's name, as code at its top level sees it."""
    name = module_globals.get("__name__")
    return name if type(name) is str else "unknown"
