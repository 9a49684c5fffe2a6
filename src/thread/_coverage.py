"""What is not observed: said, since nobody can see what is missing.

A lock that exists when observation begins stays as it is, and so does what a module has taken from `threading` before.
Methods that are replaced in their classes need no such mention: they reach whoever got hold of the class earlier.
"""

from __future__ import annotations

import _thread
import gc
import sys
from types import FunctionType, ModuleType

from ._backend import core
from ._naming import is_internal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

_LOCK_TYPES: Final = (_thread.LockType, _thread.RLock)
_PRIMITIVES: Final = frozenset(
    id(getattr(_thread, name))
    for name in ("LockType", "RLock", "allocate_lock", "start_new_thread", "start_joinable_thread")
    if hasattr(_thread, name)
)
_MODULE_LOCK: Final = getattr(sys.modules.get("_frozen_importlib"), "_ModuleLock", None)
_STEPS: Final = 6
"""From `threading` to the lock of the event of the main thread it is five."""
_MOST_OBJECTS: Final = 5_000_000
"""Looking at more of them would stop the program for seconds."""


class _Survey:
    """What was found, and when to look again."""

    def __init__(self) -> None:
        self.locks = 0
        self.modules: tuple[str, ...] = ()
        self.modules_looked_at = 0


_survey: Final = _Survey()


def begin() -> None:
    """Count the locks that exist when observation begins. Looks at every object once, 20 ms for a million of them."""
    objects = gc.get_objects()
    if len(objects) <= _MOST_OBJECTS:
        locks = {id(each) for each in objects if type(each) in _LOCK_TYPES}
        imports = [each for each in objects if type(each) is _MODULE_LOCK]
        _survey.locks = len(locks - _bookkeeping(imports))
    _survey.modules_looked_at = 0


def _bookkeeping(level: list[Any]) -> set[int]:
    """The locks of the standard library and of the telemetry itself: those that their modules, and `level`, lead to."""
    found: set[int] = set()
    seen: set[int] = set()
    for namespace in _namespaces(internal=True).values():
        level.extend(namespace.values())
    for _ in range(_STEPS):
        level = [each for each in level if id(each) not in seen and not isinstance(each, _LEADS_ANYWHERE)]
        seen.update(map(id, level))
        found.update(id(each) for each in level if type(each) in _LOCK_TYPES)
        level = gc.get_referents(*level)
    return found


_LEADS_ANYWHERE: Final = (ModuleType, FunctionType, str, bytes, int, float)


def _namespaces(*, internal: bool) -> dict[str, dict[str, Any]]:
    """The globals of the modules of the standard library and of ours, or else those of all other modules."""
    namespaces = {}
    for name, module in list(sys.modules.items()):
        if isinstance(module, ModuleType):
            # Not `vars`, which would load a module that is to be loaded when it is first used.
            namespace: dict[str, Any] = object.__getattribute__(module, "__dict__")
            file = namespace.get("__file__")
            is_own = name == "__main__" or (isinstance(file, str) and not is_internal(file))
            if is_own is not internal:
                namespaces[name] = namespace
    return namespaces


def unobserved_locks() -> int:
    """How many locks existed when observation began."""
    return _survey.locks


def unobserved_modules() -> tuple[str, ...]:
    """Modules that hold the interpreter's own primitives. Looks again only where modules have been imported since."""
    if _survey.modules_looked_at != len(sys.modules):
        _survey.modules_looked_at = len(sys.modules)
        _survey.modules = tuple(
            [
                name
                for name, namespace in _namespaces(internal=False).items()
                if not _PRIMITIVES.isdisjoint(map(id, list(namespace.values())))
            ]
        )
    return _survey.modules


def replaced_by() -> str | None:
    """Whose greenlets are in the place of threads."""
    threading: Any = sys.modules.get("threading")
    for name in ("_allocate_lock", "Lock", "_start_new_thread", "_start_joinable_thread"):
        library = str(getattr(getattr(threading, name, None), "__module__", None)).partition(".")[0]
        if library in ("gevent", "eventlet"):
            return library
    return None


def is_instrumented() -> bool:
    """Whether `threading` makes observed locks, or would do so if it were imported now."""
    threading = sys.modules.get("threading")
    if threading is None:
        allocate_lock: object = _thread.allocate_lock
        return allocate_lock is core.allocate_lock
    return getattr(threading, "Lock", None) in (core.LockType, core.allocate_lock)
