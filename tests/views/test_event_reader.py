from __future__ import annotations

import sys
import time
from _thread import get_ident, get_native_id
from collections.abc import Iterator
from types import ModuleType

import pytest
from conftest import WaitUntil
from rows import finished_threads

from thread._views.event_reader import read_events
from thread._views.events import Event, SlowWait, ThreadFinished, UnhandledException


@pytest.fixture
def events(core: ModuleType) -> Iterator[list[Event]]:
    core.configure(listening=True, slow_wait_ns=1_000_000)
    yield []
    core.configure(listening=False)


def line() -> int:
    return sys._getframe(1).f_lineno


def test_a_slow_wait_carries_its_evidence(core: ModuleType, events: list[Event], wait_until: WaitUntil) -> None:
    guard = core.allocate_lock(name="guard of the slow wait")
    idents = []

    def hold() -> None:
        idents.append(get_ident())
        with guard:
            time.sleep(0.05)

    core.start_new_thread(hold, ())
    wait_until(guard.locked)
    before = time.time()
    with guard:
        here = line() - 1
    after = time.time()
    wait_until(lambda: events.extend(read_events()) or any(isinstance(event, SlowWait) for event in events))

    slow = next(event for event in events if isinstance(event, SlowWait))
    assert (slow.lock, slow.kind, slow.outcome, slow.waiters) == ("guard of the slow wait", "lock", "acquired", 1)
    assert slow.location.startswith(f"{__file__}:")
    assert (slow.ident, slow.native_id, slow.owner_ident) == (get_ident(), get_native_id(), idents[0])
    assert (slow.acquire_site.file, slow.acquire_site.line) == (__file__, here)
    assert slow.acquire_stack[0] == slow.acquire_site
    assert slow.owner_site in slow.owner_stack
    assert slow.owner_site.function.endswith(".hold")
    assert before - 0.01 <= slow.started_at <= after
    assert slow.started_at + slow.duration <= after + 0.01
    assert 0.001 < slow.duration < after - before + 0.001
    assert slow.gil_wait is None or 0 <= slow.gil_wait <= slow.duration


def finish(core: ModuleType, events: list[Event], wait_until: WaitUntil, function: object) -> ThreadFinished:
    core.start_new_thread(function, ())
    wait_until(lambda: events.extend(read_events()) or any(isinstance(event, ThreadFinished) for event in events))
    return next(event for event in events if isinstance(event, ThreadFinished))


def test_a_thread_that_finished_tells_its_life(core: ModuleType, events: list[Event], wait_until: WaitUntil) -> None:
    def work() -> None:
        time.sleep(0.02)
        deadline = time.thread_time() + 0.01
        while time.thread_time() < deadline:
            pass

    before = time.time()
    finished = finish(core, events, wait_until, work)
    after = time.time()
    assert finished.target == f"{__name__}:{work.__qualname__}"
    assert finished.starter.function.endswith(".finish")
    assert finished.outcome == "returned"
    assert before - 0.01 <= finished.requested_at <= after
    assert 0 <= finished.start_delay
    assert 0.03 <= finished.lifetime <= after - before
    assert 0.01 <= finished.cpu_time <= finished.lifetime


def test_a_thread_that_exits_is_no_error(core: ModuleType, events: list[Event], wait_until: WaitUntil) -> None:
    assert finish(core, events, wait_until, lambda: sys.exit(3)).outcome == "exited"
    assert not any(isinstance(event, UnhandledException) for event in events)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_unhandled_exception_tells_where_it_came_from(
    core: ModuleType, events: list[Event], wait_until: WaitUntil
) -> None:
    raised_at = []

    def fail() -> None:
        raised_at.append(line() + 1)
        raise LookupError("no such shelf")

    before = time.time()
    assert finish(core, events, wait_until, fail).outcome == "raised"
    unhandled = next(event for event in events if isinstance(event, UnhandledException))
    assert (unhandled.type, unhandled.message) == ("LookupError", "no such shelf")
    assert unhandled.target == f"{__name__}:{fail.__qualname__}"
    assert (unhandled.site.file, unhandled.site.line) == (__file__, raised_at[0])
    assert unhandled.traceback.startswith("Traceback (most recent call last):\n")
    assert unhandled.traceback.endswith("LookupError: no such shelf\n")
    assert before - 0.01 <= unhandled.at <= time.time()


def test_equal_sites_of_a_batch_are_one_object(core: ModuleType, events: list[Event], wait_until: WaitUntil) -> None:
    for _ in range(2):
        core.start_new_thread(int, ())
    wait_until(lambda: finished_threads(core) == 2 and not core.read_live_threads())
    first, second = read_events()
    assert isinstance(first, ThreadFinished)
    assert isinstance(second, ThreadFinished)
    assert first.starter is second.starter


def test_an_event_that_cannot_be_understood_is_a_fault_and_the_others_are_read(
    core: ModuleType, events: list[Event], wait_until: WaitUntil, monkeypatch: pytest.MonkeyPatch
) -> None:
    core.start_new_thread(int, ())
    wait_until(lambda: finished_threads(core) == 1 and not core.read_live_threads())
    genuine = core.take_events()
    monkeypatch.setattr(core, "take_events", lambda: [("nonsense",), *genuine, ("slow_wait", 1)])
    assert [type(event) for event in read_events()] == [ThreadFinished]
    assert core.internal_errors() == 2
