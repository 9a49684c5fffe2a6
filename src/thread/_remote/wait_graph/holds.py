"""Locks that a thread holds by `with`: the exit of each manager lies on the stack of the frame that entered it.

The table of exceptions of a function says at which height, so that what an earlier statement left there is never taken
for a lock that is held.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ..interpreter.objects import Objects
from ..kernel.memory import UnreadableMemoryError
from ..stacks.code import Code, WithBlock
from ..stacks.frames import Call, Frame, Frames, Stack, bound
from ..stacks.functions import is_library, library_name
from .releases import may_release
from .resources import LOCK, Resource, lock_at, lock_of_condition

_DEEPEST_NESTING: Final = 8


@dataclass(frozen=True, slots=True)
class Hold:
    """Lock, or permit of a semaphore, that a thread took by `with`."""

    resource: Resource
    depth: int
    """Number of the frame that took it, 0 being the innermost."""
    line: int | None
    """Line of the `with`."""
    sure: bool
    """False where the body may have released it, so that the thread may hold it or not."""


def holds_of(objects: Objects, stack: Stack) -> tuple[Hold, ...]:
    """Return what a thread holds by `with`, the latest first."""
    found: list[Hold] = []
    given_up: set[Resource] = set()
    for depth, frame in enumerate(stack.frames):
        try:
            if is_library(frame, "threading.Condition.wait", "ours._sleep"):
                lock = lock_of_condition(objects, frame.local("self") or frame.local("condition"))
                given_up |= {lock} if lock else set()
            found.extend(hold for hold in _holds_of_frame(objects, stack, depth) if hold.resource not in given_up)
        except UnreadableMemoryError:
            continue
    return tuple(found)


def _holds_of_frame(objects: Objects, stack: Stack, depth: int) -> Iterator[Hold]:
    frame = stack.frames[depth]
    for block in frame.code.with_blocks(frame.offset):
        for resource in _resources(objects, manager(frame, block), 0):
            sure = resource.kind != LOCK or not may_release(objects, stack.frames[: depth + 1], block, resource)
            yield Hold(resource, depth, frame.code.line(block.start - 2), sure)


def manager(frame: Frame, block: WithBlock) -> Call | None:
    """Return the exit of a `with`, and the manager that it belongs to."""
    top = frame.stack(block.height)
    if frame.objects.layout.version < (3, 14):
        return bound(frame.objects, top) if top else None
    below = frame.stack(block.height - 1)
    if top and below:
        return Call(below, top)
    return bound(frame.objects, below) if below else None


def _resources(objects: Objects, left: Call | None, nesting: int) -> Iterator[Resource]:
    if left is None or not left.instance or nesting > _DEEPEST_NESTING:
        return
    lock = lock_at(objects, left.instance)
    if lock is not None:
        yield lock
        return
    if objects.type_name(left.function) != "function":
        return
    exit_code = objects.memory.word(left.function + objects.layout.pyfunction_code)
    yield from _of_library(objects, library_name(Code(objects, exit_code)), left.instance, nesting)


def _of_library(objects: Objects, exit_name: str, instance: int, nesting: int) -> Iterator[Resource]:
    if exit_name == "threading.Condition.__exit__":
        lock = lock_of_condition(objects, instance)
        if lock is not None:
            yield lock
    elif exit_name == "threading.Semaphore.__exit__":
        yield Resource("semaphore", instance)
    elif exit_name == "contextlib._GeneratorContextManager.__exit__":
        generator = objects.attribute(instance, "gen")
        if generator and objects.type_name(generator) == "generator":
            frame = Frames(objects).frame(generator + objects.layout.generator_frame)
            for block in frame.code.with_blocks(frame.offset):
                yield from _resources(objects, manager(frame, block), nesting + 1)
    elif exit_name == "contextlib.ExitStack.__exit__":
        for callback in objects.deque_items(objects.attribute(instance, "_exit_callbacks")):
            pair = objects.tuple_items(callback)
            if len(pair) == 2:
                yield from _resources(objects, bound(objects, pair[1]), nesting + 1)
