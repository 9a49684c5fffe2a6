"""The names of locks that exist already."""

from __future__ import annotations

from typing import Any

from ._locks import Mutex
from ._records import identity_renamed, unobserved
from ._semaphores import SemaphoreRecord
from ._state import is_internal_error
from ._waits import rename_waits


def object_name(lock: object) -> str | None:
    """What the object is called that the lock is a part of; None for what is not observed."""
    if not isinstance(lock, (Mutex, SemaphoreRecord)) or lock._identity is unobserved:
        return None
    return lock._identity.object_name


def object_location(lock: object) -> str | None:
    """Where that object was made, as `file:line`; None for what is not observed."""
    if not isinstance(lock, (Mutex, SemaphoreRecord)) or lock._identity is unobserved:
        return None
    return lock._identity.location


def rename(lock: Any, name: str, /) -> None:
    """Have what happens to the lock recorded under another name from now on."""
    if not isinstance(lock, (Mutex, SemaphoreRecord)):
        raise TypeError(f"expected an observed lock, got {type(lock).__name__}")
    if not isinstance(name, str):
        raise TypeError(f"a lock's name must be a str, not {type(name).__name__}")
    try:
        _rename(lock, str.__str__(name))
    except Exception as error:
        if not is_internal_error(error):
            raise


def _rename(lock: Any, name: str) -> None:
    former = lock._identity
    identity = identity_renamed(former, name)
    lock._identity = identity
    lock._token = identity.token
    rename_waits(lock, former, identity)
