"""The names of locks that exist already."""

from __future__ import annotations

from typing import Any

from ._locks import Mutex
from ._names import checked_name
from ._records import identity_renamed, unobserved
from ._semaphores import SemaphoreRecord


def object_name(lock: object) -> str | None:
    """What the object is called that the lock is a part of; None for what is not observed."""
    if not isinstance(lock, (Mutex, SemaphoreRecord)) or lock._identity is unobserved:
        return None
    return lock._identity.object_name


def rename(lock: Any, name: str, /) -> None:
    """Have what happens to the lock recorded under another name from now on."""
    if not isinstance(lock, (Mutex, SemaphoreRecord)):
        raise TypeError(f"expected an observed lock, got {type(lock).__name__}")
    checked = checked_name(name, "lock")
    if checked is None:
        raise TypeError("a lock's name must be a str, not NoneType")
    identity = identity_renamed(lock._identity, checked)
    lock._identity.dropped.add()
    lock._identity = identity
    identity.created.add()
