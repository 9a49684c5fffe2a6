"""Semaphores are observed as locks."""

from __future__ import annotations

import asyncio
import gc
import os
import queue
import threading
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from conftest import WaitUntil
from interruptions import interrupted_when
from rows import waited_for

from thread.telemetry import LockStats, SlowWait, snapshot


def stats(name: str) -> LockStats:
    [found] = [lock for lock in snapshot().locks if "semaphore" in lock.kind and lock.name.endswith(name)]
    return found


def in_threads(count: int, work: Callable[[], object]) -> None:
    threads = [threading.Thread(target=work) for _ in range(count)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()


def test_every_acquisition_is_counted(instrumented: ModuleType) -> None:
    counted_exactly = threading.Semaphore(3)

    def work() -> None:
        for _ in range(20_000):
            with counted_exactly:
                pass

    in_threads(8, work)
    found = stats("counted_exactly")
    assert (found.acquisitions, found.timeouts, found.waiters, found.live) == (160_000, 0, 0, 1)
    assert found.contentions == found.wait.count
    assert counted_exactly._value == 3  # type: ignore[attr-defined]


def test_a_wait_for_a_permit_is_a_contention_that_names_a_holder(
    telemetry: ModuleType, instrumented: ModuleType, wait_until: WaitUntil
) -> None:
    instrumented.configure(listening=True, slow_wait_ns=1_000_000)
    permits = threading.BoundedSemaphore(2)
    holding, done = [], threading.Event()

    def hold_one() -> None:
        with permits:
            holding.append(threading.get_ident())
            done.wait()

    holders = [threading.Thread(target=hold_one) for _ in range(2)]
    for number, holder in enumerate(holders, 1):
        holder.start()
        wait_until(lambda number=number: len(holding) == number)  # type: ignore[misc]
    assert not permits.acquire(timeout=0.02)
    assert not permits.acquire(blocking=False)
    assert not permits.acquire(timeout=0)
    waiting = threading.Thread(target=permits.acquire)
    waiting.start()
    wait_until(lambda: stats("permits").waiters == 1 and stats("permits").oldest_wait > 0.01)
    done.set()
    for each in (*holders, waiting):
        each.join()
    found = stats("permits")
    assert (found.acquisitions, found.contentions, found.timeouts, found.wait.count) == (3, 1, 1, 2)
    slow = [event for event in telemetry_events() if "semaphore" in event.kind]
    assert {event.outcome for event in slow} == {"acquired", "timed out"}
    # The two holders are not taken for one: the blame goes to the first, as long as it holds a permit.
    assert {event.owner_ident for event in slow} == {holding[0]}
    assert all(event.owner_site.function.endswith("hold_one") for event in slow)
    assert all(event.gil_wait is None for event in slow)
    assert {row.kind for row in snapshot().blocking} <= {"event", "join"}
    blamed = sum(row.time for row in snapshot().waits if row.lock.endswith("permits"))
    assert blamed == pytest.approx(found.wait.sum)


def test_bounded_semaphores_are_told_from_those_that_may_be_signals(instrumented: ModuleType) -> None:
    class Own(threading.BoundedSemaphore):
        pass

    free = threading.Semaphore(1)
    bounded, own = threading.BoundedSemaphore(1), Own(1)
    for each in (free, bounded, own):
        assert each.acquire()
    assert [stats(name).kind for name in ("free", "bounded", "own")] == [
        "semaphore",
        "bounded_semaphore",
        "bounded_semaphore",
    ]


def telemetry_events() -> list[SlowWait]:
    from thread._views.event_reader import read_events

    return [event for event in read_events() if isinstance(event, SlowWait)]


def test_holds_of_each_permit_are_timed(instrumented: ModuleType) -> None:
    instrumented.configure(hold_sampling=1)
    held_twice = threading.Semaphore(2)
    held_twice.acquire()
    time.sleep(0.02)
    held_twice.acquire()
    held_twice.release(2)
    hold = stats("held_twice").hold
    assert hold.count == 2
    assert 0.02 <= hold.max < 60
    assert hold.sum - hold.max < hold.max


def test_a_wait_is_one_contention_however_often_others_are_faster(
    instrumented: ModuleType, wait_until: WaitUntil
) -> None:
    overtaken = threading.Semaphore(0)
    patient = threading.Thread(target=overtaken.acquire)
    patient.start()
    wait_until(lambda: len(overtaken._cond._waiters) == 1)  # type: ignore[attr-defined]
    for _ in range(20):
        # Woken, but the permit is gone again before the waiter has got the lock.
        with overtaken._cond:  # type: ignore[attr-defined]
            overtaken._cond.notify()  # type: ignore[attr-defined]
        wait_until(lambda: len(overtaken._cond._waiters) == 1)  # type: ignore[attr-defined]
    assert stats("overtaken").waiters == 1
    overtaken.release()
    patient.join()
    found = stats("overtaken")
    assert (found.acquisitions, found.contentions, found.wait.count, found.waiters) == (1, 1, 1, 0)


def test_several_waiters_are_let_in_at_once(instrumented: ModuleType, wait_until: WaitUntil) -> None:
    gate = threading.Semaphore(0)
    waiting = [threading.Thread(target=gate.acquire) for _ in range(5)]
    for each in waiting:
        each.start()
    wait_until(lambda: len(gate._cond._waiters) == 5)  # type: ignore[attr-defined]
    assert stats("gate").waiters == 5
    gate.release(3)
    wait_until(lambda: stats("gate").waiters == 2)
    gate.release(2)
    for each in waiting:
        each.join()
    found = stats("gate")
    assert (found.acquisitions, found.contentions, found.waiters, found.timeouts) == (5, 5, 0, 0)


def test_who_gave_up_waiting_takes_no_permit_from_who_waits(instrumented: ModuleType, wait_until: WaitUntil) -> None:
    abandoned = threading.Semaphore(0)
    assert not abandoned.acquire(timeout=0.02)
    patient = threading.Thread(target=abandoned.acquire)
    patient.start()
    wait_until(lambda: stats("abandoned").waiters == 1 and len(abandoned._cond._waiters) == 1)  # type: ignore[attr-defined]
    abandoned.release()
    wait_until(lambda: stats("abandoned").acquisitions == 1)
    patient.join()


def test_a_semaphore_may_be_a_signal(instrumented: ModuleType) -> None:
    signalled = threading.Semaphore(0)
    consumer = threading.Thread(target=lambda: [signalled.acquire() for _ in range(10)])
    consumer.start()
    for _ in range(10):
        signalled.release()
    consumer.join()
    assert stats("signalled").acquisitions == 10


def test_an_interrupted_wait_is_recorded_once(instrumented: ModuleType) -> None:
    interrupted = threading.Semaphore(0)
    with interrupted_when(lambda: stats("interrupted").waiters):
        interrupted.acquire()
    found = stats("interrupted")
    assert (found.wait.count, found.contentions, found.timeouts, found.waiters) == (1, 0, 0, 0)
    interrupted.release()
    assert interrupted.acquire(timeout=1)


def test_errors_are_the_interpreters(instrumented: ModuleType) -> None:
    semaphore = threading.BoundedSemaphore(1)
    with pytest.raises(ValueError, match="can't specify timeout for non-blocking acquire"):
        semaphore.acquire(False, timeout=1)
    with pytest.raises(ValueError, match="n must be one or more"):
        semaphore.release(0)
    with pytest.raises(ValueError, match="released too many times"):
        semaphore.release()
    with pytest.raises(ValueError, match="initial value must be >= 0"):
        threading.Semaphore(-1)


def test_semaphores_made_before_and_after_go_on(core: ModuleType) -> None:
    from thread._observed.instrument import instrument, uninstrument

    before = threading.Semaphore(1)
    instrument()
    during = threading.Semaphore(1)
    for semaphore in (before, during):
        with semaphore:
            assert not semaphore.acquire(blocking=False)
    during.acquire()
    uninstrument()
    during.release()
    with during, before:
        pass
    assert stats("during").acquisitions == 2
    assert not [lock for lock in snapshot().locks if lock.name.endswith("before")]


def test_a_subclass_is_observed_like_its_base(instrumented: ModuleType) -> None:
    class Tickets(threading.Semaphore):
        def acquire(self, blocking: bool = True, timeout: float | None = None) -> bool:
            return super().acquire(blocking, timeout)

    tickets = Tickets(2)
    tickets.acquire()
    tickets.release()
    assert stats("tickets").acquisitions == 1


def test_semaphores_that_are_gone_are_not_alive(instrumented: ModuleType) -> None:
    dropped = threading.Semaphore(5)
    dropped.acquire()
    del dropped
    gc.collect()
    assert stats("dropped").live == 0


def test_a_child_starts_from_zero(instrumented: ModuleType) -> None:
    forked = threading.Semaphore(0)
    waiting = threading.Thread(target=forked.acquire)
    waiting.start()
    while stats("forked").waiters == 0:
        time.sleep(0.001)
    child = os.fork()
    if not child:
        found = stats("forked")
        os._exit(found.acquisitions + found.waiters + found.wait.count)
    assert os.waitpid(child, 0)[1] == 0
    forked.release()
    waiting.join()
    assert stats("forked").acquisitions == 1


def test_a_task_that_holds_up_its_event_loop_is_named(instrumented: ModuleType, wait_until: WaitUntil) -> None:
    instrumented.configure(listening=True, slow_wait_ns=1_000_000)
    guards: list[Any] = [threading.Lock(), threading.Semaphore(1)]
    held = threading.Barrier(2)

    def hold(guard: Any) -> None:
        with guard:
            held.wait()
            time.sleep(0.05)

    async def serve(guard: Any) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.set_name("serving")
        with guard:
            pass

    for guard in guards:
        holder = threading.Thread(target=hold, args=(guard,))
        holder.start()
        held.wait()
        asyncio.run(serve(guard))
        holder.join()
        [slow] = telemetry_events()
        assert (slow.task, slow.blocked_event_loop) == ("serving", True)


def test_without_an_event_loop_nothing_is_held_up(instrumented: ModuleType) -> None:
    instrumented.configure(listening=True, slow_wait_ns=1_000_000)
    assert not threading.Semaphore(0).acquire(timeout=0.05)
    [slow] = telemetry_events()
    assert (slow.task, slow.blocked_event_loop) == (None, False)


def test_getting_back_the_lock_of_a_condition_is_no_contention(instrumented: ModuleType) -> None:
    for condition in (threading.Condition(threading.Lock()), threading.Condition()):
        turns = [0]

        def play(mine: int, condition: threading.Condition = condition, turns: list[int] = turns) -> None:
            for _ in range(200):
                with condition:
                    while turns[0] % 2 != mine:
                        condition.wait()
                    turns[0] += 1
                    condition.notify_all()

        first = threading.Thread(target=play, args=(0,))
        second = threading.Thread(target=play, args=(1,))
        for each in (first, second):
            each.start()
        for each in (first, second):
            each.join()
        assert turns == [400]
    waited = sum(row.duration.count for row in snapshot().blocking if row.kind == "condition")
    assert waited > 0
    contended = sum(lock.contentions for lock in snapshot().locks if "condition" in lock.name)
    # `with condition` itself may still meet the other player; of the hundreds of waits none is a contention.
    assert contended < waited


@pytest.mark.parametrize("lock", ["Lock", "RLock"])
def test_a_lock_that_is_got_back_slowly_was_acquired_but_not_contended(
    instrumented: ModuleType, wait_until: WaitUntil, lock: str
) -> None:
    instrumented.configure(listening=True, slow_wait_ns=1_000_000)
    got_back = getattr(threading, lock)()
    condition = threading.Condition(got_back)
    owned = []

    def wait() -> None:
        with condition:
            condition.wait()
            owned.append(condition._is_owned())  # type: ignore[attr-defined]

    def seen_waiting() -> bool:
        return any(name.endswith("got_back") for name in waited_for(instrumented))

    waiting = threading.Thread(target=wait)
    waiting.start()
    wait_until(lambda: len(condition._waiters) == 1)  # type: ignore[attr-defined]
    with condition:
        condition.notify()
        wait_until(seen_waiting)
        time.sleep(0.02)
    waiting.join()
    [found] = [each for each in snapshot().locks if each.name.endswith("got_back") and each.kind == lock.lower()]
    assert owned == [True]
    assert (found.acquisitions, found.contentions, found.timeouts, found.wait.count) == (3, 0, 0, 0)
    assert not [row for row in snapshot().waits if row.lock.endswith("got_back")]
    assert not [event for event in telemetry_events() if event.lock.endswith("got_back")]
    with condition:
        pass


def test_a_condition_wait_is_neither_a_hold_nor_a_contention(instrumented: ModuleType) -> None:
    instrumented.configure(hold_sampling=1)
    waited = threading.Condition()
    before = time.monotonic()
    with waited:
        waited.wait(0.3)
    at_most = time.monotonic() - before - 0.299
    [lock] = [lock for lock in snapshot().locks if "waited" in lock.name]
    assert (lock.contentions, lock.wait.count) == (0, 0)
    assert lock.hold.sum < at_most


def test_a_queue_of_semaphores_works(instrumented: ModuleType) -> None:
    pure: Any = queue._PySimpleQueue()  # type: ignore[attr-defined]
    producer = threading.Timer(0.02, pure.put, args=(1,))
    producer.start()
    assert pure.get() == 1
    producer.join()
