"""Functions of the standard library, told by their file and name, and functions in C, told by theirs."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from ..interpreter.objects import Objects
from ..kernel.memory import UnreadableMemoryError
from .code import Code
from .frames import Call, Frame

_FILES = ("threading.py", "queue.py", "contextlib.py", "concurrent/futures/_base.py", "concurrent/futures/thread.py")
_OURS: Final = ("/thread/_observed/", "/thread/_core_py/")
"""Folders of what observes a program: it stands between the program and the library."""

BEGINNINGS: Final = frozenset(
    {"threading.Thread.run", "threading.Thread._bootstrap_inner", "threading.Thread._bootstrap"}
)
"""Functions that every thread of `threading` begins with."""


def library_name(code: Code) -> str:
    """Return `module.function` for a function of the library that has to do with waiting, empty for any other."""
    return _library_name(code.filename, code.qualname)


@lru_cache(maxsize=10_000)
def _library_name(file: str, qualname: str) -> str:
    for ending in _FILES:
        if file.endswith(ending) and (len(file) == len(ending) or file[-len(ending) - 1] in "/\\"):
            return f"{ending.removesuffix('.py').rpartition('/')[2]}.{qualname}"
    return f"ours.{qualname}" if any(folder in file for folder in _OURS) else ""


def is_library(frame: Frame, *names: str) -> bool:
    return library_name(frame.code) in names


def function_name(objects: Objects, call: Call) -> str:
    """Return how a function that is called is named, as `time.sleep` or `socket.recv`; empty if it has no name."""
    try:
        kind = objects.type_name(call.function) if call.function else ""
        if kind in ("builtin_function_or_method", "builtin_method"):
            definition = objects.memory.word(call.function + objects.layout.function_definition)
            return _with_owner(objects, call, objects.memory.text(objects.memory.word(definition), 64))
        if kind == "method_descriptor":
            definition = objects.memory.word(call.function + objects.layout.descriptor_definition)
            return _with_owner(objects, call, objects.memory.text(objects.memory.word(definition), 64))
        if kind == "function":
            return Code(objects, objects.memory.word(call.function + objects.layout.pyfunction_code)).qualname
    except UnreadableMemoryError:
        pass
    return ""


def _with_owner(objects: Objects, call: Call, name: str) -> str:
    if not call.instance:
        return name
    kind = objects.type_name(call.instance)
    if kind == "module":
        module = objects.memory.word(call.function + objects.layout.function_module)
        owner = objects.text(module) if module and objects.type_name(module) == "str" else ""
    else:
        owner = kind.rpartition(".")[2]
    return f"{owner}.{name}" if owner else name
