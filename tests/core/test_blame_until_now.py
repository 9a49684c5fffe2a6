"""Blame of waits in progress: a counter that grows while a thread waits, never falls, and is exact in the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from types import ModuleType

import pytest
from conftest import WaitUntil

import thread

Row = tuple[str, str, tuple[str, str, int], tuple[str, str, int]]


def blame(core: ModuleType) -> dict[Row, tuple[int, int]]:
    """Numbers of waits and nanoseconds, by lock and places."""
    rows = core.read_blame()
    found = {tuple(row[:4]): tuple(row[4:]) for row in rows}
    assert len(found) == len(rows)
    return found


def blamed(core: ModuleType, name: str) -> int:
    return sum(row[1] for key, row in blame(core).items() if key[0] == name)


def waited(core: ModuleType, name: str) -> int:
    [wait] = [row[7] for row in core.read_locks() if row[0] == name]
    return wait[1] if wait is not None else 0


def fallen(before: dict[Row, tuple[int, int]], after: dict[Row, tuple[int, int]]) -> list[Row]:
    return [key for key, (count, time) in before.items() if count > after[key][0] or time > after[key][1]]


@contextmanager
def running(*threads: threading.Thread) -> Iterator[None]:
    for each in threads:
        each.start()
    yield
    for each in threads:
        each.join(60)


def test_blame_grows_while_a_wait_lasts_and_names_the_owner(core: ModuleType, wait_until: WaitUntil) -> None:
    lock = thread.allocate_lock(name="lasting")
    held, enough = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            held.set()
            enough.wait(60)

    with running(threading.Thread(target=hold)):
        assert held.wait(60)
        with running(threading.Thread(target=lock.acquire)):
            wait_until(lambda: blamed(core, "lasting"))
            first = blame(core)
            wait_until(lambda: blamed(core, "lasting") > sum(time for _, time in first.values()) + 20_000_000)
            before = blame(core)
            assert waited(core, "lasting") == 0
            assert max(before, key=lambda key: before[key][1])[3][0].endswith("hold")
            enough.set()
    assert fallen(first, before) == fallen(before, blame(core)) == []
    assert blamed(core, "lasting") == waited(core, "lasting")


def test_blame_of_a_wait_for_a_permit_grows_while_it_lasts(core: ModuleType, wait_until: WaitUntil) -> None:
    record = core.SemaphoreRecord(name="permits")
    record.acquired()
    wait = record.begin_wait()
    wait_until(lambda: blamed(core, "permits") > 20_000_000)
    before = blame(core)
    wait.end(True)
    assert fallen(before, blame(core)) == []
    assert blamed(core, "permits") == waited(core, "permits")


def test_a_wait_that_times_out_is_blamed_once(core: ModuleType, wait_until: WaitUntil) -> None:
    lock = thread.allocate_lock(name="in vain")
    lock.acquire()
    with running(threading.Thread(target=lock.acquire, args=(True, 0.1))):
        wait_until(lambda: blamed(core, "in vain"))
        before = blame(core)
    assert fallen(before, blame(core)) == []
    assert blamed(core, "in vain") == waited(core, "in vain")


def test_blame_never_falls_while_threads_hand_over_locks(core: ModuleType) -> None:
    locks = [thread.allocate_lock(name=f"busy {number}") for number in range(2)]
    ends = time.monotonic() + 1

    def work(seed: int) -> None:
        random = Random(seed)
        while time.monotonic() < ends:
            with random.choice(locks):
                time.sleep(random.choice((0, 0.0001, 0.003)))

    with running(*(threading.Thread(target=work, args=(seed,)) for seed in range(5))):
        before = blame(core)
        while time.monotonic() < ends:
            after = blame(core)
            assert fallen(before, after) == []
            before = after
            time.sleep(0.0002)
    assert fallen(before, blame(core)) == []
    for number in range(2):
        assert blamed(core, f"busy {number}") == waited(core, f"busy {number}")


@pytest.mark.parametrize("acquired", [True, False])
def test_a_waiter_that_reads_the_blame_itself_is_no_danger(core: ModuleType, acquired: bool) -> None:
    record = core.SemaphoreRecord(name="reader")
    wait = record.begin_wait()
    before = blame(core)
    wait.end(acquired)
    assert fallen(before, blame(core)) == []
