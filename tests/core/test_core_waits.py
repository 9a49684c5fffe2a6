"""Evidence of slow waits, and who is blamed for them."""

from __future__ import annotations

import _thread
import os
import sys
import threading
import time
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from rows import blame_rows, current_wait_rows, event_rows, lock_row

import thread
from thread import _backend as backend
from thread._rows import SlowWaitRow


def slow_waits(core: ModuleType) -> list[SlowWaitRow]:
    return event_rows(core, "slow_wait")


class Contest:
    """An owner that holds the lock until another thread has waited `held_for` seconds for it, or has given up."""

    def __init__(self, lock: Any, held_for: float = 0.0) -> None:
        self.lock = lock
        self.held_for = held_for
        self.taken = threading.Event()
        # Waiting for it adds no frame of Python, so the evidence shows the line in `work`.
        self.over = _thread.allocate_lock()
        self.over.acquire()

    def own(self) -> None:
        with self.lock:
            self.taken.set()
            self.work()

    def work(self) -> None:
        self.over.acquire()

    def want(self, timeout: float = -1) -> bool:
        acquired: bool = self.lock.acquire(timeout=timeout)
        if acquired:
            self.lock.release()
        return acquired

    def run(self, timeout: float = -1) -> tuple[int, int]:
        owner = threading.Thread(target=self.own)
        owner.start()
        assert self.taken.wait(60)
        waiter = threading.Thread(target=self.want, args=(timeout,))
        waiter.start()
        assert owner.ident and waiter.ident
        if timeout < 0:
            self.let_the_waiter_wait()
        else:
            waiter.join(60)
        self.over.release()
        owner.join(60)
        waiter.join(60)
        return owner.ident, waiter.ident

    def let_the_waiter_wait(self) -> None:
        deadline = time.monotonic() + 60
        while not backend.core.read_current_waits():
            assert time.monotonic() < deadline, "nobody waits"
            time.sleep(0.001)
        time.sleep(self.held_for)


class UnseenContest(Contest):
    """A contest for a lock of the telemetry itself, whose waits no reader shows."""

    def let_the_waiter_wait(self) -> None:
        time.sleep(self.held_for)


@pytest.fixture(autouse=True)
def listening(core: ModuleType) -> Iterator[None]:
    core.configure(listening=True, slow_wait_ns=10_000_000)
    yield


def test_a_slow_wait_names_the_owner_and_what_it_was_doing(core: ModuleType) -> None:
    owner, waiter = Contest(thread.allocate_lock(name="evidence"), held_for=0.08).run()
    [wait] = slow_waits(core)
    assert (wait.lock, wait.kind, wait.ident, wait.owner_ident) == ("evidence", "lock", waiter, owner)
    assert wait.owner_site.function.endswith("Contest.work")
    assert wait.acquire_site.function.endswith("Contest.want")
    assert [site.function.rpartition(".")[2] for site in wait.owner_stack[:2]] == ["work", "own"]
    assert wait.acquire_stack[0] == wait.acquire_site
    assert wait.waiters == 1
    assert wait.outcome == "acquired"
    assert 0.08e9 <= wait.duration_ns < 60e9
    assert wait.started_ns <= core.monotonic_ns()


def test_the_owner_is_seen_where_it_is_during_the_wait_and_not_after(core: ModuleType) -> None:
    lock = thread.allocate_lock()
    contest = Contest(lock, held_for=0.08)
    contest.run()
    [wait] = slow_waits(core)
    assert wait.owner_site.line == Contest.work.__code__.co_firstlineno + 1


def test_a_short_wait_leaves_no_evidence(core: ModuleType) -> None:
    core.configure(slow_wait_ns=60_000_000_000)
    Contest(thread.allocate_lock(), held_for=0.03).run()
    assert slow_waits(core) == []


def test_the_threshold_takes_effect_at_once(core: ModuleType) -> None:
    lock = thread.allocate_lock()
    core.configure(slow_wait_ns=60_000_000_000)
    Contest(lock, held_for=0.03).run()
    core.configure(slow_wait_ns=1_000_000)
    Contest(lock, held_for=0.03).run()
    assert len(slow_waits(core)) == 1


def test_a_wait_that_times_out_leaves_evidence_too(core: ModuleType) -> None:
    Contest(thread.allocate_lock()).run(timeout=0.05)
    [wait] = slow_waits(core)
    assert wait.outcome == "timed out"
    assert 0.05e9 <= wait.duration_ns < 60e9


def test_an_rlock_gives_the_same_evidence(core: ModuleType) -> None:
    owner, _ = Contest(thread.RLock(name="re-entrant"), held_for=0.05).run()
    [wait] = slow_waits(core)
    assert (wait.lock, wait.kind, wait.owner_ident) == ("re-entrant", "rlock", owner)


def test_the_wait_for_the_gil_is_told_apart(core: ModuleType) -> None:
    if core.NAME != "c":
        Contest(thread.allocate_lock(), held_for=0.05).run()
        assert slow_waits(core)[0].gil_wait_ns is None
        return
    lock = thread.allocate_lock()
    stop = threading.Event()
    spinning = threading.Event()

    def spin() -> None:
        spinning.set()
        while not stop.is_set():
            pass

    spinner = threading.Thread(target=spin)
    spinner.start()
    spinning.wait()
    Contest(lock, held_for=0.05).run()
    stop.set()
    spinner.join()
    [wait] = slow_waits(core)
    assert 0 <= wait.gil_wait_ns <= wait.duration_ns


@pytest.fixture
def one_thread_at_a_time() -> Iterator[None]:
    """A thread keeps the GIL until it blocks."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(60)
    yield
    sys.setswitchinterval(interval)


class KeepsTheGil(Contest):
    """The owner keeps the GIL too, from soon after the wait began until it has lasted `held_for` seconds."""

    def __init__(self, lock: Any, held_for: float) -> None:
        super().__init__(lock, held_for)
        self.in_time = False

    def work(self) -> None:
        waits: list[Any] = []
        while not waits and self.over.locked():
            time.sleep(0.0001)
            waits = [wait for wait in current_wait_rows(backend.core) if wait.lock == "starved"]
        for wait in waits:
            age = (backend.core.monotonic_ns() - wait.since_ns) / 1e9
            self.in_time = age < self.held_for / 4
            deadline = time.monotonic() + self.held_for
            while time.monotonic() < deadline:
                pass

    def let_the_waiter_wait(self) -> None:
        pass  # The owner sees to it.


@pytest.mark.parametrize("timeout", [-1, 0.11])
def test_a_wait_that_became_slow_without_the_gil_names_the_owner_that_kept_the_lock(
    core: ModuleType, one_thread_at_a_time: None, timeout: float
) -> None:
    core.configure(slow_wait_ns=100_000_000)
    while True:
        contest = KeepsTheGil(thread.allocate_lock(name="starved"), held_for=0.2)
        owner, _ = contest.run(timeout)
        # On a busy machine the wait may become slow before the owner runs again.
        if contest.in_time:
            break
        core.take_events()
    [wait] = slow_waits(core)
    assert (wait.lock, wait.owner_ident, wait.owner_span) == ("starved", owner, None)
    assert wait.owner_stack[0].function.endswith("Contest.own"), "as it gives the lock back"
    assert wait.owner_site.function.endswith("KeepsTheGil.work"), "where it was seen before"
    assert wait.acquire_stack[0] == wait.acquire_site
    assert wait.waiters == 1
    assert wait.duration_ns >= 100_000_000


def test_a_slow_wait_names_the_owner_that_kept_the_lock_for_the_longest_time(core: ModuleType) -> None:
    lock = thread.allocate_lock(name="kept")
    order = []

    def keep_longer() -> None:
        with lock:
            order.append("keep_longer")
            time.sleep(3 * (time.monotonic() - began))

    def want() -> None:
        with lock:
            order.append("want")

    others = [threading.Thread(target=keep_longer), threading.Thread(target=want)]
    began = time.monotonic()
    with lock:
        for count, other in enumerate(others):
            other.start()
            while len(core.read_current_waits()) <= count:
                time.sleep(0.001)
        time.sleep(0.03)
    for other in others:
        other.join(60)
    waits = {wait.acquire_site.function.rpartition(".")[2]: wait for wait in slow_waits(core)}
    assert core.NAME != "c" or order == ["keep_longer", "want"]
    if order[0] == "keep_longer":
        wait = waits["want"]
        assert wait.owner_ident == others[0].ident
        assert wait.owner_site.function.endswith("keep_longer")
        assert wait.owner_stack[0].function.endswith("keep_longer")
    assert waits["keep_longer"].owner_ident == threading.get_ident()


def test_nobody_listening_means_no_evidence_but_still_blame(core: ModuleType) -> None:
    core.configure(listening=False)
    Contest(thread.allocate_lock(name="unheard"), held_for=0.05).run()
    assert core.take_events() == []
    assert {blame.name for blame in blame_rows(core)} == {"unheard"}


def test_waits_for_the_telemetrys_own_locks_are_shown_nowhere(core: ModuleType) -> None:
    core.enter_untracked()
    try:
        own = [thread.allocate_lock(), thread.RLock(), core.SemaphoreRecord()]
    finally:
        core.leave_untracked()
    for lock in own[:2]:
        UnseenContest(lock, held_for=0.03).run()
    wait = own[2].begin_wait()
    assert wait.seconds_to_evidence() is None
    wait.give_evidence()
    assert core.read_current_waits() == []
    wait.end(True)
    assert (slow_waits(core), core.read_blame()) == ([], [])


def test_stacks_are_as_deep_as_the_settings_allow(core: ModuleType) -> None:
    core.configure(stack_depth=2)
    Contest(thread.allocate_lock(), held_for=0.05).run()
    [wait] = slow_waits(core)
    assert len(wait.owner_stack) == 2
    assert len(wait.acquire_stack) == 2


def test_blame_adds_up_to_the_time_waited(core: ModuleType) -> None:
    lock = thread.allocate_lock(name="blamed")

    def work() -> None:
        for _ in range(30):
            with lock:
                time.sleep(0.001)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    wait = lock_row(core, "blamed").wait
    rows = blame_rows(core, "blamed")
    assert sum(blame.waits for blame in rows) >= wait.recorded
    assert all(blame.waits > 0 for blame in rows)
    assert sum(blame.waited_ns for blame in rows) == wait.sum_ns
    for blame in rows:
        assert blame.kind == "lock"
        assert blame.acquire_site.function.endswith("work")
        assert blame.owner_site == ("gil", "", 0) or blame.owner_site.function.endswith("work")


def test_a_full_buffer_drops_and_counts(core: ModuleType) -> None:
    core.configure(event_capacity=3, slow_wait_ns=0)
    lock = thread.allocate_lock()
    with lock:
        for _ in range(8):
            assert not lock.acquire(timeout=0.001)
    assert len(slow_waits(core)) == 3
    assert core.dropped_events() == 5


def test_the_drain_thread_is_woken_by_an_event(core: ModuleType) -> None:
    before = time.monotonic()
    timer = threading.Timer(0.05, core.push_event, args=(("test",),))
    timer.start()
    assert core.wait_for_events(60)
    assert time.monotonic() - before < 30
    assert core.take_events() == [("test",)]
    assert not core.wait_for_events(0) or core.take_events() == []


def test_waking_without_an_event_ends_the_sleep(core: ModuleType) -> None:
    threading.Timer(0.02, core.wake).start()
    before = time.monotonic()
    core.wait_for_events(60)
    assert time.monotonic() - before < 30


def test_a_smaller_buffer_keeps_the_newest_events(core: ModuleType) -> None:
    for number in range(6):
        core.push_event(("test", number))
    core.configure(event_capacity=2)
    assert core.take_events() == [("test", 4), ("test", 5)]
    assert core.dropped_events() == 4


def test_the_owner_is_known_although_it_starts_threads_meanwhile(core: ModuleType) -> None:
    lock = thread.allocate_lock(name="busy starter")
    done: list[int] = []

    def wait() -> None:
        with lock:
            done.append(1)

    for _ in range(200):
        with lock:
            thread.start_new_thread(wait, ())
            thread.start_new_thread(wait, ())
            while len(core.read_current_waits()) < 2:
                time.sleep(0)
        while core.read_live_threads():
            time.sleep(0)
    owners = {blame.owner_site.function.rpartition(".")[2] for blame in blame_rows(core, "busy starter")}
    assert "unknown" not in owners - {"wait"}


def test_sums_of_durations_do_not_overflow(core: ModuleType) -> None:
    counts = core.HistogramCounts()
    year = 365 * 86400 * 10**9
    for _ in range(300):
        counts.add(year)
    count, total, longest, _ = counts.read()
    assert (count, total, longest) == (300, 300 * year, year)
    for _ in range(600):
        counts.add(290 * year)
    assert counts.read()[1] == 300 * year + 600 * 290 * year


def test_a_duration_below_zero_counts_as_none(core: ModuleType) -> None:
    counts = core.HistogramCounts()
    counts.add(5)
    counts.add(-3)
    assert counts.read()[:3] == (2, 5, 5)


def test_waits_without_success_are_blamed_to_the_nanosecond(core: ModuleType) -> None:
    lock = thread.allocate_lock(name="in vain")
    with lock:
        waiters = [threading.Thread(target=lock.acquire, args=(True, 0.02 * n)) for n in range(1, 5)]
        for each in waiters:
            each.start()
        for each in waiters:
            each.join(60)
    wait = lock_row(core, "in vain").wait
    rows = blame_rows(core, "in vain")
    assert sum(blame.waited_ns for blame in rows) == wait.sum_ns
    here = sum(blame.waited_ns for blame in rows if blame.owner_site.function.endswith("blamed_to_the_nanosecond"))
    # On a busy machine more may go to the GIL, but the lock was held for as long as each waited.
    assert here > 0.9 * sum(0.02e9 * n for n in range(1, 5))


def test_each_that_held_the_only_permit_is_to_blame_for_its_time(core: ModuleType) -> None:
    record = core.SemaphoreRecord(name="permit")

    def hold_shortly() -> None:
        record.acquired()
        begun.set()
        waited_for.wait(60)
        time.sleep(0.03)
        record.released()

    def hold_longer() -> None:
        record.acquired()
        time.sleep(0.15)
        record.released()

    begun, waited_for = threading.Event(), threading.Event()
    first = threading.Thread(target=hold_shortly)
    first.start()
    assert begun.wait(60)
    wait = record.begin_wait()
    waited_for.set()
    first.join(60)
    second = threading.Thread(target=hold_longer)
    second.start()
    second.join(60)
    wait.end(True)
    rows = {blame.owner_site.function.rpartition(".")[2]: blame.waited_ns for blame in blame_rows(core, "permit")}
    assert rows["hold_longer"] > 0.14e9
    assert rows["hold_shortly"] > 0
    assert sum(rows.values()) == lock_row(core, "permit", "semaphore").wait.sum_ns


@pytest.fixture
def handed_over(
    core: ModuleType, one_thread_at_a_time: None
) -> Iterator[tuple[Any, list[threading.Thread], list[int]]]:
    """A lock that was released while two threads waited for it, the first of which did not run yet."""
    if core.NAME != "c":
        pytest.skip("the interpreter's own lock knows no hand-over before 3.14")
    lock = thread.allocate_lock()
    lock.acquire()
    served: list[int] = []

    def take() -> None:
        lock.acquire()
        served.append(1)

    waiters = [threading.Thread(target=take), threading.Thread(target=take)]
    for count, waiter in enumerate(waiters):
        waiter.start()
        while len(core.read_current_waits()) <= count:
            time.sleep(0.001)
    time.sleep(0.02)
    lock.release()
    yield lock, waiters, served
    while any(waiter.is_alive() for waiter in waiters):
        if lock.locked():
            lock.release()
        time.sleep(0.001)


def test_who_releases_a_lock_does_not_get_it_before_one_that_has_waited_its_time(handed_over: Any) -> None:
    lock, _, _ = handed_over
    assert not lock.acquire(False)
    assert lock.locked()


def test_a_lock_that_is_released_again_while_it_is_handed_over_goes_to_the_next(handed_over: Any) -> None:
    lock, waiters, _ = handed_over
    lock.release()
    for waiter in waiters:
        waiter.join(60)
        assert not waiter.is_alive()


def test_a_lock_that_is_being_handed_over_is_free_in_a_forked_child(handed_over: Any) -> None:
    lock, _, served = handed_over
    child = os.fork()
    if child == 0:
        # What is to be done before a fork may have let the first waiter run.
        os._exit(0 if served or lock.acquire(timeout=10) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_thread_that_was_given_a_lock_no_longer_waits_for_it(core: ModuleType, handed_over: Any) -> None:
    assert len(core.read_current_waits()) == 1
