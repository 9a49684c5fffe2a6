"""Names for waits inside the methods of a named object, on objects that those methods make for each wait.

A pool may make a condition, an event or a future for each wait, and a name given to the pool earlier does not reach it.
So a thread about to wait looks at the methods that run, and at the object that each of them was called with.
"""

from __future__ import annotations

import sys
from collections import deque
from functools import partial
from types import CodeType, FunctionType
from weakref import ref

from .._backend import core
from .._base.code_origin import is_internal
from .._inspection.objects import classes_of, namespace_of, namespace_of_class

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType
    from typing import Any, Final

_MOST_NAMED: Final = 2000
_MOST_FRAMES: Final = 100
_MOST_WRAPPERS: Final = 8

Library = tuple[str, ...] | None
"""Folders of the library that made something; None for something made by the program."""

_names: Final[dict[int, tuple[ref[Any], str, Library]]] = {}
"""By the identity of the object. Nothing keeps the object alive, and the name goes with it."""
_UNNAMED: Final[tuple[None, None, None]] = (None, None, None)
_methods: Final[dict[int, ref[CodeType]]] = {}
_given: Final[set[str]] = set()


def remember(obj: object, name: str, library: Library = None) -> None:
    """Record waits for an object, and in its methods, under its name. Does nothing if it allows no weak reference."""
    if len(_names) >= _MOST_NAMED and id(obj) not in _names:
        return
    try:
        # The dying reference is passed as the default of `pop`: no Python code runs when the object goes.
        _names[id(obj)] = ref(obj, partial(_names.pop, id(obj))), name, library
    except TypeError:
        return
    for cls in classes_of(obj):
        for code in _codes_of(cls):
            if id(code) not in _methods:
                _methods[id(code)] = ref(code, partial(_methods.pop, id(code)))


def note_given(name: str) -> None:
    """Remember a name that the program itself gave: its object is not named after the object around it."""
    if len(_given) < _MOST_NAMED:
        _given.add(name)


def name_given(obj: object) -> tuple[str | None, Library]:
    """Name of an object that contains no lock of ours, and the library that keeps it."""
    kept, name, library = _names.get(id(obj), _UNNAMED)
    return (name, library) if kept is not None and kept() is obj else (None, None)


def name_of_wait(name: str | None, location: str, library: Library) -> str | None:
    """Name for a wait that begins now, from the named object whose method waits; None without one.

    `name`, `location` and `library` belong to the object waited for.
    """
    if not _names or name is None or name in _given:
        return None
    waiting = sys._getframe(3)
    return _in_program(waiting, location) if library is None else _in_library(waiting, library)


def _in_library(waiting: FrameType, library: tuple[str, ...]) -> str | None:
    """Name in a library. Only frames of the library may be on the way: a named caller may keep many of its objects."""
    frame: FrameType | None = waiting
    for _ in range(_MOST_FRAMES):
        if frame is None:
            return None
        filename = frame.f_code.co_filename
        if filename.startswith(library):
            _, name = _named(frame)
            if name is not None:
                return name
        elif not is_internal(filename):
            return None
        frame = frame.f_back
    return None


def _in_program(waiting: FrameType, location: str) -> str | None:
    """Name in the program, for an object that the running method made, or that is a part of its object."""
    frame: FrameType | None = waiting
    for _ in range(_MOST_FRAMES):
        if frame is None:
            return None
        if id(frame.f_code) in _methods:
            obj, name = _named(frame)
            if name is not None:
                is_its_own = _is_made_in(frame.f_code, location) or _keeps_one_of(obj, _arguments(waiting, frame))
                return name if is_its_own else None
        frame = frame.f_back
    return None


def _arguments(frame: FrameType | None, outer: FrameType) -> Iterator[Any]:
    """First arguments of the frames on the way to an outer one."""
    while frame is not None and frame is not outer:
        yield core.first_argument(frame)
        frame = frame.f_back


def _named(frame: FrameType) -> tuple[Any, str | None]:
    """The named object whose method a frame runs, and its name."""
    code = frame.f_code
    known = _methods.get(id(code))
    if known is None or known() is not code:
        return None, None
    obj = core.first_argument(frame)
    return obj, name_given(obj)[0]


def _is_made_in(code: CodeType, location: str) -> bool:
    filename, _, line = location.rpartition(":")
    if filename != code.co_filename or not line.isdecimal():
        return False
    last = max(line or 0 for _, _, line in code.co_lines())
    return code.co_firstlineno <= int(line) <= last


def _keeps_one_of(obj: object, parts: Iterator[object]) -> bool:
    """True if an object has one of these in a list or other container of its own."""
    kept = {id(each) for container in list(namespace_of(obj).values()) for each in _members_of(container)}
    return any(part is not None and id(part) in kept for part in parts)


def _members_of(container: Any) -> list[Any]:
    try:
        if type(container) is dict:
            return list(container.values())
        return list(container) if type(container) in (list, tuple, set, frozenset, deque) else []
    except RuntimeError:
        return []  # It is changing right now.


def _codes_of(cls: type) -> Iterator[CodeType]:
    """Code of the methods that a class defines, behind decorators such as `contextmanager`."""
    for value in list(namespace_of_class(cls).values()):
        function = value.fget if type(value) is property else value
        for _ in range(_MOST_WRAPPERS):
            if type(function) is not FunctionType:
                break
            if function.__code__.co_argcount:
                yield function.__code__
            function = namespace_of(function).get("__wrapped__")
