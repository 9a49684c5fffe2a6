"""Locks that get another name while threads wait for them."""

from __future__ import annotations

from threading import Thread
from types import ModuleType
from typing import Any, Protocol

from rows import current_wait_rows, lock_row

import thread
from thread._backend import core as the_core


class WaitUntil(Protocol):
    def __call__(self, predicate: Any, timeout: float = 10.0) -> None: ...


def held(name: str) -> Any:
    lock = thread.allocate_lock(name=name)
    lock.acquire()
    return lock


def waiting(lock: Any, wait_until: WaitUntil) -> Thread:
    waiters = len(the_core.read_current_waits())

    def wait() -> None:
        with lock:
            pass

    waiter = Thread(target=wait)
    waiter.start()
    wait_until(lambda: len(the_core.read_current_waits()) > waiters)
    return waiter


def test_waits_move_to_the_new_name_and_keep_their_age(core: ModuleType, wait_until: WaitUntil) -> None:
    first, second = held("first"), held("second")
    waiters = [waiting(first, wait_until), waiting(second, wait_until)]
    age = lock_row(core, "first").oldest_wait_ns
    # The younger wait is there already when the older one comes.
    core.rename(first, "second")
    assert (lock_row(core, "first").waiters, lock_row(core, "first").oldest_wait_ns) == (0, 0)
    assert lock_row(core, "second").waiters == 2 and lock_row(core, "second").oldest_wait_ns >= age
    assert [wait.lock for wait in current_wait_rows(core)] == ["second", "second"]
    for lock in first, second:
        lock.release()
    for waiter in waiters:
        waiter.join()
    assert (lock_row(core, "second").contentions, lock_row(core, "second").waiters) == (2, 0)


def test_other_locks_of_the_old_name_keep_their_waits(core: ModuleType, wait_until: WaitUntil) -> None:
    renamed, other = held("old"), held("old")
    waiters = [waiting(renamed, wait_until), waiting(other, wait_until), waiting(renamed, wait_until)]
    core.rename(renamed, "new")
    assert (lock_row(core, "old").waiters, lock_row(core, "new").waiters) == (1, 2)
    core.rename(renamed, "new")
    assert (lock_row(core, "old").waiters, lock_row(core, "new").waiters) == (1, 2)
    for lock in renamed, other:
        lock.release()
    for waiter in waiters:
        waiter.join()
    assert (lock_row(core, "old").contentions, lock_row(core, "new").contentions) == (1, 2)
