"""Gaps of observation, reported because missing data is invisible.

A lock that exists when observation begins stays as it is, and so do names that a module has imported from `threading`
before. Methods replaced in their classes leave no gap: they reach everybody who has the class.
"""

from __future__ import annotations

import _thread
import gc
import sys
from types import FunctionType, ModuleType

from .._backend import core
from .._base.code_origin import is_internal
from .._inspection.objects import as_text, is_a, loaded, module_namespace
from .._process.guards import guarded
from .primitives import greenlets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

_LOCK_TYPES: Final = frozenset((id(_thread.LockType), id(_thread.RLock)))
_PRIMITIVES: Final = frozenset(
    id(getattr(_thread, name))
    for name in ("LockType", "RLock", "allocate_lock", "start_new_thread", "start_joinable_thread")
    if hasattr(_thread, name)
)
_MODULE_LOCK: Final = getattr(sys.modules.get("_frozen_importlib"), "_ModuleLock", None)
_STEPS: Final = 6
"""From `threading` to the lock of the main thread's event it is five."""
_MOST_OBJECTS: Final = 5_000_000
"""A search through more of them would stop the program for seconds."""


class _Survey:
    """Results of the last look, and when to look again."""

    def __init__(self) -> None:
        self.locks = 0
        self.modules: tuple[str, ...] = ()
        self.modules_looked_at = 0


_survey: Final = _Survey()


def begin() -> None:
    """Count the locks that exist when observation begins. Looks at every object once, 20 ms for a million of them."""
    _survey.locks = guarded(_count_locks, otherwise=_survey.locks)
    _survey.modules_looked_at = 0


def _count_locks() -> int:
    objects = gc.get_objects()
    if len(objects) > _MOST_OBJECTS:
        return _survey.locks
    locks = {id(each) for each in objects if id(type(each)) in _LOCK_TYPES}
    imports = [each for each in objects if type(each) is _MODULE_LOCK]
    return len(locks - _bookkeeping(imports))


def _bookkeeping(level: list[Any]) -> set[int]:
    """Locks of the standard library and of the telemetry itself: those within reach of their modules and of `level`."""
    found: set[int] = set()
    seen: set[int] = set()
    for namespace in _namespaces(internal=True).values():
        level.extend(list(namespace.values()))
    for _ in range(_STEPS):
        level = [each for each in level if id(each) not in seen and not _leads_anywhere(each)]
        seen.update(map(id, level))
        found.update(id(each) for each in level if id(type(each)) in _LOCK_TYPES)
        level = gc.get_referents(*level)
    return found


def _leads_anywhere(obj: object) -> bool:
    # Not `isinstance`, which asks an object for the class that it claims to have.
    return issubclass(type(obj), (ModuleType, FunctionType, str, bytes, int, float))


def _namespaces(*, internal: bool) -> dict[str, dict[str, Any]]:
    """Globals of the standard library's modules and ours, or those of all other modules."""
    namespaces = {}
    for name, module in list(sys.modules.items()):
        namespace = module_namespace(module)
        if namespace and type(name) is str:
            file = as_text(namespace.get("__file__"))
            is_own = name == "__main__" or (file != "" and not is_internal(file))
            if is_own is not internal:
                namespaces[name] = namespace
    return namespaces


def unobserved_locks() -> int:
    """Number of locks that existed when observation began."""
    return _survey.locks


def unobserved_modules() -> tuple[str, ...]:
    """Modules that hold the interpreter's own primitives. Looks again only after further imports."""
    if _survey.modules_looked_at != len(sys.modules):
        _survey.modules_looked_at = len(sys.modules)
        _survey.modules = guarded(_holders_of_primitives, otherwise=_survey.modules)
    return _survey.modules


def _holders_of_primitives() -> tuple[str, ...]:
    return tuple(
        [
            name
            for name, namespace in _namespaces(internal=False).items()
            if not _PRIMITIVES.isdisjoint(map(id, list(namespace.values())))
        ]
    )


def replaced_by() -> str | None:
    """Library whose greenlets replace threads."""
    library: str | None = guarded(greenlets)
    return library


def is_instrumented() -> bool:
    """True if `threading` makes observed locks, or would if it were imported now."""
    if not is_a(sys.modules.get("threading"), ModuleType):
        return _thread.allocate_lock is core.allocate_lock  # type: ignore[comparison-overlap]
    lock = loaded("threading", "Lock")
    return lock is core.LockType or lock is core.allocate_lock
