"""New names for locks that exist: `telemetry.named`."""

from __future__ import annotations

from typing import Any

from ._acquiring import Mutex
from ._identities import identity_renamed, unobserved
from ._runtime import guarded
from ._semaphores import SemaphoreRecord
from ._waiters import rename_waits


def object_name(lock: object, /) -> str | None:
    """Name of the object that the lock is a part of; None if it is not observed."""
    if not isinstance(lock, (Mutex, SemaphoreRecord)) or lock._identity is unobserved:
        return None
    return lock._identity.object_name


def object_location(lock: object, /) -> str | None:
    """Site that created that object, as `file:line`; None if it is not observed."""
    if not isinstance(lock, (Mutex, SemaphoreRecord)) or lock._identity is unobserved:
        return None
    return lock._identity.location


def rename(lock: Any, name: str, /) -> None:
    """Record what happens to the lock under another name from now on. Raises TypeError for a wrong argument."""
    if not isinstance(lock, (Mutex, SemaphoreRecord)):
        raise TypeError(f"expected an observed lock, got {type(lock).__name__}")
    if not isinstance(name, str):
        raise TypeError(f"a lock's name must be a str, not {type(name).__name__}")
    guarded(_rename, lock, str.__str__(name))


def _rename(lock: Any, name: str) -> None:
    former = lock._identity
    identity = identity_renamed(former, name)
    lock._identity = identity
    lock._token = identity.token
    rename_waits(lock, former, identity)
