"""Names that a program gives to its objects, and that survive a refactoring."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any, Final, TypeVar

from .._backend import core
from .._base.code_origin import library_of
from .._inspection.objects import as_text, class_name, is_a, loaded, module_namespace, namespace_of, set_attribute
from .._inspection.targets import NAME
from .._process.guards import guarded
from . import executors, named_waits, semaphores

T = TypeVar("T")


def named(obj: T, name: str) -> T:
    """Record everything about `obj` from now on as `name`, and return it.

        self._jobs = telemetry.named(queue.Queue(), "jobs")

    `obj` is a lock, RLock, semaphore, condition, event, barrier, queue, thread, timer or executor, or an object that
    keeps some of these, as connection pools do: an engine or pool of SQLAlchemy, a ConnectionPool of psycopg_pool. The
    locks inside it keep the names of their parts: `jobs (Queue.mutex)`. Waits in its methods, for objects that these
    make each time, go by the name too, unless those have another one. Name a thread before its start; it is counted
    under this name instead of its target. An unobserved object, made before observation began, is returned as it is.

    Raises TypeError for another object, and for a name that is no str. Thread-safe.
    """
    if not isinstance(name, str):
        raise TypeError(f"expected a str as the name, got {name!r}")
    if not guarded(_name, obj, str.__str__(name), otherwise=True):
        raise TypeError(
            "expected a lock, RLock, semaphore, condition, event, barrier, queue, thread, timer or executor, "
            f"or an object that contains one, such as a connection pool; got {type(obj).__name__}"
        )
    return obj


def _name(obj: object, name: str) -> bool:
    """Rename an object in the records. False if the records do not name it."""
    named_waits.note_given(name)
    if _name_executor(obj, name) or _name_thread(obj, name) or _name_locks(obj, name):
        return True
    found = _name_parts(obj, name)
    if found:
        named_waits.remember(obj, name)
    return found


_MOST_PARTS: Final = 500


def _name_parts(obj: object, name: str) -> bool:
    """Locks that an object keeps. For an object of a library, also those of its parts from the same library."""
    library = _library_of(obj)
    parts, seen = [obj], {id(obj)}
    found = False
    while parts and len(seen) < _MOST_PARTS:
        for part in list(namespace_of(parts.pop(0)).values()):
            if id(part) in seen:
                continue
            seen.add(id(part))
            if _name_locks(part, name, library):
                found = True
            elif library is not None and _library_of(part) == library:
                parts.append(part)
    return found


def _library_of(obj: object) -> tuple[str, ...] | None:
    """Folders of the library that defines the type of an object; None for types of the program or the interpreter."""
    if issubclass(type(obj), (type, ModuleType)):
        return None
    module, _ = class_name(type(obj))
    file = as_text(module_namespace(sys.modules.get(module)).get("__file__"))
    return library_of(f"{file}:1")


def _is_a(obj: object, module: str, *names: str) -> bool:
    classes = [loaded(module, name) for name in names]
    return any(is_a(obj, cls) for cls in classes if cls is not None)


def _name_executor(executor: Any, name: str) -> bool:
    if not _is_a(executor, "concurrent.futures.thread", "ThreadPoolExecutor"):
        return False
    record = executors.record_of(executor)
    if record is not None:
        record.rename(name)
    _rename(executor._shutdown_lock, name)
    _name_locks(executor._idle_semaphore, name)
    return True


def _name_thread(thread: Any, name: str) -> bool:
    if not _is_a(thread, "threading", "Thread"):
        return False
    # `describe_target` looks here when the thread starts.
    set_attribute(thread, NAME, name)
    return True


def _name_locks(obj: Any, name: str, library: tuple[str, ...] | None = None) -> bool:
    if core.object_name(obj) is not None:
        core.rename(obj, name)
    elif _is_a(obj, "threading", "Semaphore"):
        _rename(semaphores.record_of(obj), name)
        _rename(obj._cond._lock, name)
    elif _is_a(obj, "threading", "Event", "Barrier"):
        _rename(obj._cond._lock, name)
    elif _is_a(obj, "threading", "Condition"):
        _rename(obj._lock, name)
    elif _is_a(obj, "queue", "Queue"):
        _rename(obj.mutex, name)
    elif _is_a(obj, "queue", "SimpleQueue"):
        named_waits.remember(obj, name, library)
    else:
        return type(obj).__name__ in ("lock", "RLock")
    return True


def _rename(lock: Any, name: str) -> None:
    if core.object_name(lock) is not None:
        core.rename(lock, name)
