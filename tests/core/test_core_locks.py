"""Records of locks, the same in the C core and in its Python twin."""

from __future__ import annotations

import _thread
import gc
import signal
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import pytest
from interruptions import interrupted_when
from rows import current_wait_rows, lock_names, lock_row

import thread

HERE = __file__


def running(*functions: Callable[[], object]) -> list[threading.Thread]:
    threads = [threading.Thread(target=function) for function in functions]
    for each in threads:
        each.start()
    return threads


def joined(threads: list[threading.Thread]) -> None:
    for each in threads:
        each.join(60)
        assert not each.is_alive()


@contextmanager
def held_elsewhere(lock: Any) -> Iterator[Callable[[], None]]:
    """Another thread holds the lock until the block ends, or until it is told to let go."""
    holding, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            holding.set()
            let_go.wait(60)

    threads = running(hold)
    assert holding.wait(60)
    try:
        yield let_go.set
    finally:
        let_go.set()
        joined(threads)


def test_eight_threads_lose_no_acquisition(core: ModuleType) -> None:
    lock = thread.allocate_lock(name="shared")
    times = 200_000 if core.NAME == "c" else 20_000

    def work() -> None:
        for _ in range(times):
            with lock:
                pass

    joined(running(*[work] * 8))
    assert lock_row(core, "shared").acquisitions == 8 * times


def test_locks_of_one_identity_are_counted_together_without_loss(core: ModuleType) -> None:
    def work() -> None:
        lock = thread.allocate_lock(name="family")
        for _ in range(50_000):
            lock.acquire()
            lock.release()

    joined(running(*[work] * 8))
    assert lock_row(core, "family").acquisitions == 400_000


def test_known_waits_add_up(core: ModuleType) -> None:
    lock = thread.allocate_lock(name="slow")
    shortest = longest_possible = 0.0
    for milliseconds in (20, 35, 5, 50, 15):
        lock.acquire()
        waited: list[float] = []

        def wait(waited: list[float] = waited) -> None:
            before = time.monotonic()
            with lock:
                waited.append(time.monotonic() - before)

        threads = running(wait)
        while not core.read_current_waits():
            time.sleep(0.001)
        seen = time.monotonic()
        time.sleep(milliseconds / 1000)
        shortest += time.monotonic() - seen
        lock.release()
        joined(threads)
        longest_possible += waited[0]
    recorded = lock_row(core, "slow")
    count, total, longest, buckets = recorded.wait
    assert count == recorded.contentions == sum(buckets) == 5
    assert shortest <= total / 1e9 <= longest_possible
    assert longest <= total


def test_a_failed_try_counts_nothing(core: ModuleType) -> None:
    lock = thread.allocate_lock(name="tried")
    with lock:
        assert not lock.acquire(False)
        assert not lock.acquire(blocking=False)
        assert not lock.acquire(timeout=0)
    recorded = lock_row(core, "tried")
    assert (recorded.acquisitions, recorded.contentions, recorded.timeouts) == (1, 0, 0)
    assert recorded.wait is None


def test_a_timed_out_wait_is_a_timeout_and_no_acquisition(core: ModuleType) -> None:
    lock = thread.allocate_lock(name="late")
    with lock:
        assert not lock.acquire(timeout=0.03)
        assert not lock.acquire(True, 0.001)
    recorded = lock_row(core, "late")
    assert (recorded.acquisitions, recorded.contentions, recorded.timeouts) == (1, 0, 2)
    count, total, _, _ = recorded.wait
    assert count == 2
    assert 0.031 <= total / 1e9 < 60


class Interruption(Exception):
    pass


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs interval timers")
def test_a_wait_that_a_signal_handler_ends_leaves_the_counters_exact(core: ModuleType) -> None:
    lock = thread.allocate_lock(name="interrupted")
    with held_elsewhere(lock):
        with interrupted_when(core.read_current_waits):
            lock.acquire()
        recorded = lock_row(core, "interrupted")
        assert recorded.waiters == 0
        assert core.read_current_waits() == []
    assert lock.acquire(False)
    lock.release()
    recorded = lock_row(core, "interrupted")
    assert (recorded.acquisitions, recorded.contentions, recorded.timeouts) == (2, 0, 0)
    assert recorded.wait.recorded == 1


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs interval timers")
def test_a_signal_handler_that_returns_does_not_end_the_wait(core: ModuleType) -> None:
    lock = thread.allocate_lock(name="resumed")
    handled = []

    def handle(*_: object) -> None:
        handled.append(1)
        later.start()

    before = signal.signal(signal.SIGALRM, handle)
    try:
        with held_elsewhere(lock) as let_go:
            later = threading.Timer(0.05, let_go)
            signal.setitimer(signal.ITIMER_REAL, 0.02)
            assert lock.acquire()
    finally:
        signal.signal(signal.SIGALRM, before)
    lock.release()
    assert handled
    assert lock_row(core, "resumed").contentions == 1


def test_a_released_lock_is_had_by_those_who_wait_for_it(core: ModuleType) -> None:
    lock = thread.allocate_lock(name="handed over")
    order: list[int] = []
    with lock:
        threads = running(*[lambda i=i: (lock.acquire(), order.append(i), lock.release()) for i in range(20)])
        while lock_row(core, "handed over").waiters < 20:
            time.sleep(0.001)
    joined(threads)
    assert sorted(order) == list(range(20))
    assert lock_row(core, "handed over").contentions == 20


def test_a_waiter_that_gives_up_does_not_swallow_the_release(core: ModuleType) -> None:
    lock = thread.allocate_lock()
    done: list[bool] = []

    def impatient() -> None:
        for _ in range(300):
            if lock.acquire(timeout=0.0003):
                lock.release()

    def patient() -> None:
        for _ in range(300):
            with lock:
                time.sleep(0.0002)
        done.append(True)

    joined(running(*[impatient] * 4, *[patient] * 2))
    assert done == [True, True]


def test_no_waiter_starves_while_another_thread_reacquires(core: ModuleType) -> None:
    lock = thread.allocate_lock()
    stop = threading.Event()

    def greedy() -> None:
        while not stop.is_set():
            with lock:
                time.sleep(0.0005)

    threads = running(greedy)
    try:
        for _ in range(5):
            assert lock.acquire(timeout=30)
            lock.release()
    finally:
        stop.set()
    joined(threads)


def test_who_waits_now_is_seen_and_since_when(core: ModuleType) -> None:
    lock = thread.allocate_lock(name="watched")
    with lock:
        threads = running(lambda: lock.acquire() and lock.release())
        while not core.read_current_waits():
            time.sleep(0.001)
        [wait] = current_wait_rows(core)
        waited_for = (wait.ident, wait.lock, wait.kind, wait.owner)
        assert waited_for == (threads[0].ident, "watched", "lock", thread.get_ident())
        assert 0 <= core.monotonic_ns() - wait.since_ns < 60e9
        recorded = lock_row(core, "watched")
        assert recorded.waiters == 1
        assert 0 <= recorded.oldest_wait_ns < 60e9
    joined(threads)
    assert core.read_current_waits() == []
    assert lock_row(core, "watched").oldest_wait_ns == 0


def test_each_hold_is_timed_when_each_is_sampled(core: ModuleType) -> None:
    core.configure(hold_sampling=1)
    lock = thread.allocate_lock(name="held")
    for _ in range(3):
        with lock:
            time.sleep(0.01)
    count, total, longest, _ = lock_row(core, "held").hold
    assert count == 3
    assert 0.03 <= total / 1e9 < 60
    assert longest <= total


def test_no_hold_is_timed_when_none_is_sampled(core: ModuleType) -> None:
    core.configure(hold_sampling=0)
    lock = thread.allocate_lock(name="unsampled")
    for _ in range(1000):
        with lock:
            pass
    assert lock_row(core, "unsampled").hold is None


def test_alternating_locks_are_sampled_alike(core: ModuleType) -> None:
    core.configure(hold_sampling=64)
    first, second = thread.allocate_lock(name="odd"), thread.allocate_lock(name="even")
    for _ in range(64_000):
        with first:
            pass
        with second:
            pass
    for name in ("odd", "even"):
        # 1,000 expected; six standard deviations of the binomial distribution either way.
        assert 810 <= lock_row(core, name).hold.recorded <= 1190


def test_real_waits_are_all_seen_among_a_great_many_short_acquisitions(core: ModuleType) -> None:
    lock = thread.allocate_lock(name="mixed")
    for _ in range(20):
        with held_elsewhere(lock) as let_go:
            threads = running(lambda: lock.acquire() and lock.release())
            while lock_row(core, "mixed").waiters == 0:
                time.sleep(0.001)
            time.sleep(0.005)
            let_go()
            joined(threads)
        for _ in range(1000):
            with lock:
                pass
    recorded = lock_row(core, "mixed")
    assert recorded.contentions == 20
    assert recorded.wait.recorded == 20


def test_an_rlock_counts_its_outermost_acquisition(core: ModuleType) -> None:
    core.configure(hold_sampling=1)
    lock = thread.RLock(name="nested")
    with lock, lock:
        lock.acquire()
        assert lock._recursion_count() == 3
        lock.release()
    recorded = lock_row(core, "nested", "rlock")
    assert recorded.acquisitions == 1
    assert recorded.hold.recorded == 1


def test_waiting_for_a_condition_is_neither_a_hold_nor_contention(core: ModuleType) -> None:
    core.configure(hold_sampling=1)
    makers = {"lock": thread.allocate_lock, "rlock": thread.RLock}
    for kind, make in makers.items():
        lock = make(name="of a condition")  # type: ignore[operator]
        condition = threading.Condition(lock)  # type: ignore[arg-type]
        before = time.monotonic()
        with condition:
            condition.wait(0.2)
        at_most = time.monotonic() - before - 0.199
        recorded = lock_row(core, "of a condition", kind)
        assert recorded.contentions == 0
        assert recorded.wait is None
        assert recorded.hold.sum_ns / 1e9 < at_most


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs interval timers")
def test_a_condition_does_not_return_without_its_lock(core: ModuleType) -> None:
    lock = thread.RLock()
    condition = threading.Condition(lock)  # type: ignore[arg-type]

    def interrupt(*_: object) -> None:
        raise Interruption

    before = signal.signal(signal.SIGALRM, interrupt)
    taken = threading.Event()

    def take() -> None:
        with lock:
            taken.set()
            time.sleep(0.15)

    try:
        with pytest.raises(Interruption), condition:
            threads = running(take)
            signal.setitimer(signal.ITIMER_REAL, 0.08)
            try:
                while True:
                    condition.wait(0.02)
            finally:
                assert lock._is_owned()
    finally:
        signal.signal(signal.SIGALRM, before)
    joined(threads)
    assert taken.is_set()
    assert lock.acquire(False)
    lock.release()


def test_a_finalizer_that_takes_the_lock_while_it_is_created_elsewhere(core: ModuleType) -> None:
    lock = thread.allocate_lock(name="finalized")

    class Finalized:
        def __init__(self) -> None:
            self.cycle = self

        def __del__(self) -> None:
            with lock:
                pass

    for _ in range(200):
        Finalized()
        thread.allocate_lock()
        core.read_locks()
    gc.collect()
    assert lock_row(core, "finalized").acquisitions == 200


def test_a_lock_deep_inside_an_rlock_subclass_works(core: ModuleType) -> None:
    class Named(thread.RLock):
        def __init__(self, label: str, *, name: str = "") -> None:
            self.label = label

    lock = Named("label", name="its own business")
    with lock:
        assert lock._is_owned()
    assert lock.label == "label"
    reference = weakref.ref(lock)
    del lock
    gc.collect()
    assert reference() is None


def test_dropped_locks_are_no_longer_live_and_leave_nothing_behind(core: ModuleType) -> None:
    locks = [thread.allocate_lock(name="dropped") for _ in range(100)]
    assert lock_row(core, "dropped").live == 100
    del locks[:40]
    assert lock_row(core, "dropped").live == 60
    with locks[0]:
        pass
    locks.clear()
    assert lock_row(core, "dropped").live == 0
    core.reset()
    assert "dropped" not in lock_names(core)


def test_a_million_locks_created_and_dropped_leave_memory_flat(core: ModuleType) -> None:
    resource = pytest.importorskip("resource")

    def churn(count: int) -> None:
        for _ in range(count):
            with thread.allocate_lock():
                pass

    churn(20_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    churn(1_000_000 if core.NAME == "c" else 100_000)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2_000


@pytest.mark.skipif(sys.platform != "linux", reason="promised where it was measured")
def test_a_lock_takes_160_bytes_at_most(core: ModuleType) -> None:
    if core.NAME != "c":
        pytest.skip("a promise of the C core")
    assert sys.getsizeof(thread.allocate_lock()) <= 160


def test_the_telemetrys_own_locks_are_not_shown(core: ModuleType) -> None:
    known = lock_names(core)
    core.enter_untracked()
    try:
        hidden = thread.allocate_lock()
        named = thread.RLock(name="hidden")
        assert core.untracked_count() == 1
    finally:
        core.leave_untracked()
    assert core.untracked_count() == 0
    with hidden, named:
        pass
    assert isinstance(hidden, thread.LockType)
    assert lock_names(core) == known


def test_a_lock_keeps_nothing_of_its_creator_alive(core: ModuleType) -> None:
    class Owner:
        def __init__(self) -> None:
            self.lock = thread.allocate_lock()

    owner = Owner()
    lock, reference = owner.lock, weakref.ref(owner)
    del owner
    assert reference() is None
    with lock:
        pass


def test_code_that_made_locks_can_be_freed(core: ModuleType) -> None:
    names: dict[str, Any] = {"thread": thread}
    exec(compile("def make():\n    lock = thread.allocate_lock()\n    return lock\n", "/generated.py", "exec"), names)
    lock = names["make"]()
    reference = weakref.ref(names["make"].__code__)
    del names["make"]
    gc.collect()
    assert reference() is None
    with lock:
        pass


def test_zero_is_where_everything_starts_again(core: ModuleType) -> None:
    lock = thread.allocate_lock(name="again")
    with lock:
        assert not lock.acquire(timeout=0.001)
    core.reset()
    recorded = lock_row(core, "again")
    assert (recorded.live, recorded.acquisitions, recorded.timeouts) == (1, 0, 0)
    assert recorded.wait is None
    assert core.read_blame() == []


def test_a_name_must_be_a_string(core: ModuleType) -> None:
    for make in (thread.allocate_lock, thread.RLock):
        with pytest.raises(TypeError, match="a lock's name must be a str or None, not int"):
            make(name=7)  # type: ignore[arg-type]
    assert thread.allocate_lock(name=None).acquire()


def test_bad_settings_say_what_was_expected(core: ModuleType) -> None:
    with pytest.raises(ValueError, match="hold_sampling must be at least 0, got -1"):
        core.configure(hold_sampling=-1)
    with pytest.raises(ValueError, match="event_capacity must be at least 1, got 0"):
        core.configure(event_capacity=0)
    with pytest.raises(TypeError):
        core.configure(nonsense=1)


def test_raw_locks_are_unobserved(core: ModuleType) -> None:
    before = core.read_locks()
    with _thread.allocate_lock():
        pass
    assert core.read_locks() == before
