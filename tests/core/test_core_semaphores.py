"""Records of semaphores: who holds permits, and the waits of those that want one."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
from rows import current_wait_rows, event_rows, lock_row

from thread._rows import LockRow


def row(core: ModuleType, name: str) -> LockRow:
    return lock_row(core, name, "semaphore")


def owners(core: ModuleType, name: str) -> list[int]:
    """To whom each wait of now is charged."""
    return [wait.owner for wait in current_wait_rows(core) if wait.lock == name]


def owner_of(core: ModuleType, record: Any, name: str) -> int:
    wait = record.begin_wait()
    [owner] = owners(core, name)
    wait.end(None)
    return owner


def in_thread(work: Callable[[], object]) -> int:
    thread = threading.Thread(target=work)
    thread.start()
    ident = thread.ident
    thread.join()
    assert ident
    return ident


@pytest.fixture
def other(core: ModuleType) -> Iterator[Callable[[Callable[[], object]], int]]:
    """Runs functions, one after the other, in one other thread, whose identity they return."""
    wanted = threading.Semaphore(0)
    done = threading.Semaphore(0)
    works: list[Callable[[], object] | None] = []

    def serve() -> None:
        while wanted.acquire() and (work := works.pop()) is not None:
            work()
            done.release()

    server = threading.Thread(target=serve)
    server.start()

    def run(work: Callable[[], object]) -> int:
        works.append(work)
        wanted.release()
        assert done.acquire(timeout=60)
        assert server.ident
        return server.ident

    yield run
    works.append(None)
    wanted.release()
    server.join()


def test_a_name_is_checked_as_that_of_a_lock(core: ModuleType) -> None:
    with pytest.raises(TypeError):
        core.SemaphoreRecord(name=1)
    with pytest.raises(TypeError):
        core.SemaphoreRecord("positional")


def test_the_oldest_holder_is_to_blame(core: ModuleType, other: Callable[[Callable[[], object]], int]) -> None:
    record = core.SemaphoreRecord(name="permits")
    assert owner_of(core, record, "permits") == 0
    them = other(record.acquired)
    record.acquired()
    assert owner_of(core, record, "permits") == them
    other(record.released)
    assert owner_of(core, record, "permits") == threading.get_ident()
    record.released()
    assert owner_of(core, record, "permits") == 0


def test_a_holder_gives_back_its_own_permit(core: ModuleType, other: Callable[[Callable[[], object]], int]) -> None:
    record = core.SemaphoreRecord(name="permits")
    them = other(record.acquired)
    record.acquired()
    record.released()
    assert owner_of(core, record, "permits") == them


def test_who_holds_nothing_takes_the_oldest_holder_away(
    core: ModuleType, other: Callable[[Callable[[], object]], int]
) -> None:
    record = core.SemaphoreRecord(name="signal")
    record.acquired()
    in_thread(record.acquired)
    other(record.released)
    assert owner_of(core, record, "signal") not in (0, threading.get_ident())
    other(record.released)
    other(record.released)
    assert owner_of(core, record, "signal") == 0


def test_several_permits_are_given_back_at_once(core: ModuleType) -> None:
    record = core.SemaphoreRecord(name="permits")
    for _ in range(3):
        record.acquired()
    record.released(2)
    assert owner_of(core, record, "permits") == threading.get_ident()
    record.released(1_000)
    assert owner_of(core, record, "permits") == 0


def test_more_holders_than_are_tracked_are_counted(core: ModuleType) -> None:
    record = core.SemaphoreRecord(name="wide")
    for _ in range(3_000):
        record.acquired()
    assert row(core, "wide").acquisitions == 3_000
    record.released(1_023)
    assert owner_of(core, record, "wide") == threading.get_ident()
    record.released()
    assert owner_of(core, record, "wide") == 0


def test_a_wait_is_recorded_once(core: ModuleType) -> None:
    record = core.SemaphoreRecord(name="waited")
    for outcome in (True, False, None):
        wait = record.begin_wait()
        wait.end(outcome)
        wait.end(True)
        wait.give_evidence()
        assert wait.seconds_to_evidence() is None
    assert (row(core, "waited").contentions, row(core, "waited").timeouts) == (1, 1)
    assert core.read_current_waits() == []


def test_a_wait_that_is_dropped_was_interrupted(core: ModuleType) -> None:
    core.configure(listening=True, slow_wait_ns=60_000_000_000)
    record = core.SemaphoreRecord(name="dropped")
    wait = record.begin_wait()
    wait.give_evidence()
    # Others began before and end after it.
    newer = record.begin_wait()
    del wait
    gc.collect()
    assert len(owners(core, "dropped")) == 1
    newer.end(True)
    assert core.read_current_waits() == []
    assert [event.outcome for event in event_rows(core)] == ["interrupted"]


def test_evidence_is_due_once(core: ModuleType) -> None:
    core.configure(listening=True, slow_wait_ns=3_600_000_000_000)
    record = core.SemaphoreRecord(name="slow")
    wait = record.begin_wait()
    assert 3_000 < wait.seconds_to_evidence() <= 3_600
    wait.give_evidence()
    assert wait.seconds_to_evidence() is None
    wait.end(True)
    [event] = event_rows(core)
    assert (event.lock, event.kind) == ("slow", "semaphore")
    core.configure(slow_wait_ns=0)
    assert record.begin_wait().seconds_to_evidence() == 0.0


def test_a_record_may_go_while_it_is_waited_for_and_held(core: ModuleType) -> None:
    record = core.SemaphoreRecord(name="gone")
    record.acquired()
    wait = record.begin_wait()
    del record
    assert row(core, "gone").live == 1
    wait.end(True)
    del wait
    gc.collect()
    assert row(core, "gone").live == 0
