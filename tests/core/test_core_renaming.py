"""Locks that get another name while threads wait for them."""

from __future__ import annotations

from threading import Thread
from types import ModuleType
from typing import Any, Protocol

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


def row_of(core: ModuleType, name: str) -> Any:
    [row] = [row for row in core.read_locks() if row[0] == name]
    return row


def test_waits_move_to_the_new_name_and_keep_their_age(core: ModuleType, wait_until: WaitUntil) -> None:
    first, second = held("first"), held("second")
    waiters = [waiting(first, wait_until), waiting(second, wait_until)]
    age = row_of(core, "first")[10]
    # The younger wait is there already when the older one comes.
    core.rename(first, "second")
    assert row_of(core, "first")[9:] == (0, 0)
    assert row_of(core, "second")[9] == 2 and row_of(core, "second")[10] >= age
    assert [row[1] for row in core.read_current_waits()] == ["second", "second"]
    for lock in first, second:
        lock.release()
    for waiter in waiters:
        waiter.join()
    assert row_of(core, "second")[5] == 2 and row_of(core, "second")[9:] == (0, 0)


def test_other_locks_of_the_old_name_keep_their_waits(core: ModuleType, wait_until: WaitUntil) -> None:
    renamed, other = held("old"), held("old")
    waiters = [waiting(renamed, wait_until), waiting(other, wait_until), waiting(renamed, wait_until)]
    core.rename(renamed, "new")
    assert (row_of(core, "old")[9], row_of(core, "new")[9]) == (1, 2)
    core.rename(renamed, "new")
    assert (row_of(core, "old")[9], row_of(core, "new")[9]) == (1, 2)
    for lock in renamed, other:
        lock.release()
    for waiter in waiters:
        waiter.join()
    assert (row_of(core, "old")[5], row_of(core, "new")[5]) == (1, 2)
