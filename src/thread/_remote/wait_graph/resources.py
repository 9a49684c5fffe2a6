"""Objects that threads wait for and hold: locks, semaphores, conditions, queues, futures, other threads."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final, NamedTuple

from ..interpreter.objects import Objects
from ..kernel.memory import UnreadableMemoryError
from ..layout.observed import LAST_SPECIAL, MOST_WAITERS, MUTEX_QUEUE, MUTEX_SIZE, MUTEX_WORD, WAITER_WORDS

LOCK: Final = "lock"
RLOCK: Final = "rlock"
_LOCK_TYPES: Final = {"_thread.lock": LOCK, "_thread.RLock": RLOCK}


class Resource(NamedTuple):
    """Object that a thread can wait for, told from others by its address."""

    kind: str
    address: int


@dataclass(frozen=True, slots=True)
class LockState:
    """Lock as it stands in memory."""

    locked: bool
    owner: int
    """Ident of the thread that holds it; 0 for a lock that keeps none."""


def lock_at(objects: Objects, address: int) -> Resource | None:
    """Return the lock at an address, or the one that the condition there uses; None if there is neither."""
    if not address:
        return None
    kind = objects.type_name(address)
    if kind in _LOCK_TYPES:
        return Resource(_LOCK_TYPES[kind], address)
    return None


def lock_of_condition(objects: Objects, condition: int) -> Resource | None:
    """Return the lock that a condition uses, None if it is none of the interpreter's."""
    return lock_at(objects, objects.attribute(condition, "_lock"))


def state_of(objects: Objects, lock: Resource) -> LockState:
    """Read whether a lock is held, and by whom if it says so."""
    layout, memory = objects.layout, objects.memory
    if is_observed(objects, lock.address):
        owner = memory.word(lock.address + MUTEX_WORD)
        return LockState(owner != 0, owner if owner > LAST_SPECIAL else 0)
    if lock.kind == LOCK:
        return LockState(bool(memory.byte(lock.address + layout.lock_locked) & 1), 0)
    owner = memory.word(lock.address + layout.rlock_owner)
    if layout.version >= (3, 14):
        locked = bool(memory.byte(lock.address + layout.rlock_word) & 1)
    else:
        locked = bool(memory.word(lock.address + layout.rlock_count))
    return LockState(locked, owner if locked else 0)


def is_observed(objects: Objects, address: int) -> bool:
    """True for a lock of ours, which keeps its owner whatever its kind is."""
    kind = objects.type_of(address)
    if objects.type_name(kind) == "type":
        return False
    if objects.memory.word(kind + objects.layout.type_basicsize) != MUTEX_SIZE:
        raise UnreadableMemoryError("a lock of another version of thread-telemetry")
    return True


def _is_queued(objects: Objects, mutex: int, futex: int) -> bool:
    """True if whoever sleeps on a word waits in the queue of a lock of ours."""
    queue = objects.memory.word(mutex + MUTEX_QUEUE)
    semaphores = (futex, objects.memory.word(futex - 8))
    waiter = objects.memory.word(queue) if queue else queue
    for _ in range(MOST_WAITERS):
        if waiter == queue:
            return False
        words = struct.unpack(f"<{WAITER_WORDS}Q", objects.memory.read(waiter, 8 * WAITER_WORDS))
        if not set(words).isdisjoint(semaphores):
            return True
        waiter = words[0]
    return False


def is_slept_on(objects: Objects, address: int, futex: int) -> bool:
    """True if the word that a thread sleeps on belongs to the lock, or the queue, at an address."""
    layout, memory = objects.layout, objects.memory
    try:
        if lock_at(objects, address) and is_observed(objects, address):
            return _is_queued(objects, address, futex)
        is_queue = objects.type_name(address) == "_queue.SimpleQueue"
        if layout.version >= (3, 13 if is_queue else 14):
            # The sleeper's own record: where it is parked stands before what it sleeps on.
            return memory.word(futex - 8) == address + layout.lock_word
        return memory.word(address + layout.lock_word) == futex
    except UnreadableMemoryError:
        return False


def queued_items(objects: Objects, queue: int) -> tuple[int, ...]:
    """Return what lies in a `SimpleQueue` written in C, the oldest first."""
    layout, memory = objects.layout, objects.memory
    place = queue + layout.queue_items
    if layout.version < (3, 13):
        first = memory.word(place + 8)
        return objects.list_items(memory.word(place))[first:]
    _, first, items, capacity, count = (memory.word(place + 8 * index) for index in range(5))
    if not 0 < capacity <= 1 << 16 or count > capacity:
        return ()
    return tuple(memory.word(items + 8 * ((first + index) % capacity)) for index in range(count))
