"""Names of locks and other objects: the variable or attribute that holds one, as the frames around it see it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from ..interpreter.objects import Objects
from ..kernel.memory import UnreadableMemoryError
from ..stacks.frames import Frame
from ..stacks.functions import library_name
from .program import Activity
from .resources import Resource

_FRAMES: Final = 12
"""Frames of a thread whose variables are looked through."""
_MOST_ITEMS: Final = 256
"""Items of a dict or list that are looked at; in a larger one, nothing gets a name."""
_NO_PLACE: Final = frozenset({"future", "futures", "work", "exit"})
"""Kinds whose address says nothing to anybody."""
_NO_INSTANCES: Final = frozenset(
    {"str", "int", "float", "bool", "bytes", "tuple", "list", "dict", "set", "NoneType", "function", "type", "module"}
)


class Names:
    """Finder of names, for one look at a process."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._globals: dict[int, dict[int, str]] = {}
        self._instances: dict[int, dict[int, str]] = {}

    def name(self, resource: Resource, around: Iterable[Activity]) -> str:
        """Return the name of an object, empty if no variable near the threads `around` holds it."""
        best = (3, "")
        for activity in around:
            for frame in self._frames(activity):
                best = min(best, self._in_frame(resource.address, frame), key=lambda found: found[0])
                if best[0] == 0:
                    return best[1]
        return best[1]

    def _frames(self, activity: Activity) -> Iterator[Frame]:
        frames = activity.state.stack.frames
        depths = [hold.depth for hold in activity.holds] + ([activity.wait.depth] if activity.wait else [])
        for depth in dict.fromkeys([*sorted(depths), *range(min(len(frames), _FRAMES))]):
            if depth < len(frames) and not library_name(frames[depth].code):
                yield frames[depth]

    def _in_frame(self, address: int, frame: Frame) -> tuple[int, str]:
        try:
            if (name := self._variables_of(frame.globals).get(address)) is not None:
                return 0, name
            local = ""
            for variable, value in frame.locals():
                if value == address:
                    local = local or variable
                elif (name := self._attributes_of(value).get(address)) is not None:
                    return 1, name
            return (2, local) if local else (3, "")
        except UnreadableMemoryError:
            return 3, ""

    def _variables_of(self, variables: int) -> dict[int, str]:
        found = self._globals.get(variables)
        if found is None:
            found = self._globals[variables] = {}
            for name, value in self._safely(self._objects.dict_items(variables)):
                self._note(found, value, name)
                # An object of the module, and what is in it, is as good as a variable of its own.
                for address, attribute in self._attributes_of(value).items():
                    found.setdefault(address, attribute)
        return found

    def _attributes_of(self, obj: int) -> dict[int, str]:
        found = self._instances.get(obj)
        if found is None:
            found = self._instances[obj] = {}
            try:
                kind = self._objects.type_name(obj)
                if kind in _NO_INSTANCES or "." in kind:
                    return found
                attributes = list(self._safely(self._objects.attributes(obj)))
            except UnreadableMemoryError:
                return found
            for name, value in attributes:
                self._note(found, value, f"{kind}.{name}")
        return found

    def _note(self, found: dict[int, str], value: int, name: str) -> None:
        """Give a name to a value, to the lock of a condition, to what is in a dict or a list."""
        found.setdefault(value, name)
        if inner := self._lock_inside(value):
            found.setdefault(inner, name)
        for key, item in self._items(value):
            found.setdefault(item, f"{name}[{key!r}]")

    def _items(self, container: int) -> list[tuple[object, int]]:
        objects = self._objects
        try:
            kind = objects.type_name(container)
            if kind == "dict" and objects.memory.word(container + objects.layout.dict_used) <= _MOST_ITEMS:
                return list(objects.dict_items(container))
            if kind == "list" and objects.memory.word(container + objects.layout.var_size) <= _MOST_ITEMS:
                return list(enumerate(objects.list_items(container)))
        except UnreadableMemoryError:
            pass
        return []

    def _lock_inside(self, obj: int) -> int:
        """The lock of a condition, 0 of anything else."""
        try:
            if obj and self._objects.type_name(obj) == "Condition":
                return self._objects.attribute(obj, "_lock")
        except UnreadableMemoryError:
            pass
        return 0

    def _safely(self, items: Iterator[tuple[str, int]]) -> Iterator[tuple[str, int]]:
        try:
            yield from items
        except UnreadableMemoryError:
            return


def _nameless(resource: Resource) -> str:
    return f"a {resource.kind}" if resource.kind in _NO_PLACE else f"{resource.kind} at {resource.address:#x}"


def told_apart(names: dict[Resource, str]) -> dict[Resource, str]:
    """Number the objects that share a name, and call those without one by their address."""
    sharing: dict[str, list[Resource]] = {}
    for resource in sorted(names):
        if names[resource]:
            sharing.setdefault(names[resource], []).append(resource)
    result = {resource: _nameless(resource) for resource in names}
    for name, resources in sharing.items():
        for number, resource in enumerate(resources, 1):
            result[resource] = f"{name} #{number}" if len(resources) > 1 else name
    return result
