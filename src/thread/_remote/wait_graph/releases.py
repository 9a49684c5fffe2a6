"""Bodies of `with` that may release the lock themselves: then the lock's trace on the stack proves nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from ..bytecode.instructions import Step
from ..interpreter.objects import Objects
from ..kernel.memory import UnreadableMemoryError
from ..stacks.code import WithBlock
from ..stacks.frames import Frame
from ..stacks.functions import library_name
from .resources import Resource

_RELEASES: Final = frozenset({"release", "_release_save", "__exit__", "release_lock"})
_LOCALS: Final = frozenset({"LOAD_FAST", "LOAD_FAST_BORROW", "LOAD_FAST_CHECK", "LOAD_DEREF"})
_ATTRIBUTES: Final = frozenset({"LOAD_ATTR", "LOAD_METHOD"})


def may_release(objects: Objects, frames: Sequence[Frame], block: WithBlock, lock: Resource) -> bool:
    """True if the body of a `with`, or a function that it is in at the moment, may have released the lock.

    `frames` are those from the innermost to the one that the body belongs to.
    """
    *inner, outer = frames
    first, last = outer.code.with_range(block)
    if any(_releases(objects, outer, step, lock) for step in _release_steps(outer) if first <= step[0] < last):
        return True
    return any(
        _releases(objects, frame, step, lock)
        for frame in inner
        if not library_name(frame.code)
        for step in _release_steps(frame)
    )


def _release_steps(frame: Frame) -> Iterator[tuple[int, list[Step]]]:
    """Places at which a function takes the method that releases something, with the instructions before it."""
    code = frame.code
    wanted = {index for index, name in enumerate(code.names) if name in _RELEASES}
    if not wanted:
        return
    before: list[Step] = []
    for step in code.bytecode.steps(code.instruction_bytes):
        if step.instruction.name in _ATTRIBUTES and _name_index(frame, step) in wanted:
            yield step.offset, before[-8:]
        before.append(step)


def _name_index(frame: Frame, step: Step) -> int:
    two_kinds = step.instruction.name == "LOAD_ATTR" and frame.objects.layout.version >= (3, 12)
    return step.argument >> 1 if two_kinds else step.argument


def _releases(objects: Objects, frame: Frame, place: tuple[int, list[Step]], lock: Resource) -> bool:
    """True if what is released there is the lock, or cannot be told."""
    path: list[str] = []
    for step in reversed(place[1]):
        name = step.instruction.name
        if name in _ATTRIBUTES:
            path.insert(0, frame.code.names[_name_index(frame, step)])
            continue
        try:
            return _may_be(objects, _value(objects, frame, step), path, lock)
        except (UnreadableMemoryError, IndexError):
            return True
    return True


def _value(objects: Objects, frame: Frame, step: Step) -> int:
    name = step.instruction.name
    if name in _LOCALS:
        return frame.local(frame.code.local_names[step.argument])
    if name == "LOAD_GLOBAL":
        return objects.dict_value(frame.globals, frame.code.names[step.argument >> 1])
    return 0


def _may_be(objects: Objects, value: int, path: list[str], lock: Resource) -> bool:
    for name in path:
        value = objects.attribute(value, name) if value else 0
    if not value:
        return True
    if objects.type_name(value) in ("_thread.lock", "_thread.RLock"):
        return value == lock.address
    # A condition releases the lock that it uses; anything else of the program's own, who knows what.
    inner = objects.attribute(value, "_lock")
    return not inner or inner == lock.address
