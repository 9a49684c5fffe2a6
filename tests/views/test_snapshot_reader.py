from __future__ import annotations

import _thread
import sys
import time
from _thread import get_ident
from dataclasses import replace
from types import ModuleType

import pytest
from conftest import WaitUntil
from programs import output_of
from rows import finished_threads

from thread._process.flags import Flag
from thread._process.own_threads import start_own_thread
from thread._views import snapshot_reader
from thread._views.snapshot import LockStats, Snapshot, ThreadStats
from thread._views.snapshot_reader import read_snapshot

REPEATS = 5


def snapshot() -> Snapshot:
    return read_snapshot(dropped_by_exporters=0)


def lock_named(name: str) -> LockStats:
    return next(lock for lock in snapshot().locks if lock.name == name)


def threads_named(target: str) -> ThreadStats:
    return next(threads for threads in snapshot().threads if threads.target == target)


def contend(core: ModuleType, guard: object, wait_until: WaitUntil, seconds: float = 0.03) -> None:
    """Have another thread wait for the guard once, for so long."""
    done = Flag()

    def wait() -> None:
        with guard:  # type: ignore[attr-defined]
            done.set()

    with guard:  # type: ignore[attr-defined]
        core.start_new_thread(wait, (), name="waiter")
        wait_until(core.read_current_waits)
        time.sleep(seconds)
    assert done.wait(10)
    wait_until(lambda: not core.read_live_threads())


def test_taken_at_is_now(core: ModuleType) -> None:
    before = time.time()
    assert before - 0.01 <= snapshot().taken_at <= time.time() + 0.01


def test_it_began_before_anything_was_recorded_and_in_a_child_with_the_child() -> None:
    assert output_of(
        """
        import time
        before = time.time()
        import thread
        imported = time.time()
        import os
        from thread import telemetry
        print(before <= telemetry.snapshot().began_at <= imported, flush=True)
        forked = time.time()
        child = os.fork()
        if not child:
            print(forked <= telemetry.snapshot().began_at <= time.time(), flush=True)
            os._exit(0)
        os.waitpid(child, 0)
        """
    ) == ["True", "True"]


def test_a_lock_that_nothing_happened_to_has_the_same_view_again(core: ModuleType) -> None:
    idle, busy = core.allocate_lock(name="idle"), core.allocate_lock(name="busy")
    for guard in (idle, busy):
        with guard:
            pass
    before = lock_named("idle"), lock_named("busy")
    with busy:
        pass
    after = lock_named("idle"), lock_named("busy")
    assert after[0] is before[0]
    assert (before[1].acquisitions, after[1].acquisitions) == (1, 2)


def test_a_lock_that_was_waited_for(core: ModuleType, wait_until: WaitUntil) -> None:
    core.configure(hold_sampling=1)
    guard = core.allocate_lock(name="guard that was waited for")
    contend(core, guard, wait_until)
    lock = lock_named("guard that was waited for")
    assert (lock.kind, lock.live, lock.waiters, lock.oldest_wait) == ("lock", 1, 0, 0.0)
    assert lock.location.startswith(f"{__file__}:")
    assert (lock.acquisitions, lock.contentions, lock.timeouts) == (2, 1, 0)
    assert lock.wait.count == 1
    assert lock.wait.sum == lock.wait.max
    assert 0.03 <= lock.wait.max < 60
    assert sum(lock.wait.buckets) == 1
    assert lock.wait.quantile(0.5) == pytest.approx(lock.wait.max, rel=1.0)
    assert lock.hold.count == 2
    assert 0.03 <= lock.hold.max < 60


def test_a_wait_that_lasts(core: ModuleType, wait_until: WaitUntil) -> None:
    guard = core.allocate_lock(name="guard")
    idents = []

    def wait() -> None:
        idents.append(get_ident())
        with guard:
            pass

    before = time.time()
    with guard:
        core.start_new_thread(wait, (), name="waiter")
        wait_until(core.read_current_waits)
        taken = snapshot()
    lock = next(lock for lock in taken.locks if lock.name == "guard")
    assert lock.waiters == 1
    assert 0 < lock.oldest_wait < 60
    thread = next(thread for thread in taken.live_threads if thread.ident == idents[0])
    assert (thread.target, thread.waiting_for, thread.waiting_on_owner) == ("waiter", "guard", get_ident())
    assert before - 0.01 <= (thread.started_at or 0) <= (thread.waiting_since or 0) <= taken.taken_at
    wait_until(lambda: not core.read_live_threads())


def test_who_waited_for_whom(core: ModuleType, wait_until: WaitUntil) -> None:
    guard = core.allocate_lock(name="guard")
    contend(core, guard, wait_until)
    taken = snapshot()
    rows = [row for row in taken.waits if row.lock == "guard"]
    assert all(row.count == 1 for row in rows)
    assert sum(row.time for row in rows) == pytest.approx(lock_named("guard").wait.sum, rel=0.01)
    assert {row.acquire_site.file for row in rows} == {__file__}
    assert all(row.acquire_site.function.endswith(".wait") for row in rows)
    assert any(row.owner_site.function.endswith(".contend") for row in rows)


def test_threads_by_target(core: ModuleType, wait_until: WaitUntil) -> None:
    done = Flag()
    for _ in range(3):
        core.start_new_thread(time.sleep, (0.01,), name="sleeper")
    wait_until(lambda: finished_threads(core) == 3)
    core.start_new_thread(done.wait, (30,), name="sleeper")
    try:
        wait_until(core.read_live_threads)
        threads = threads_named("sleeper")
        assert (threads.started, threads.finished, threads.running) == (4, 3, 1)
        assert threads.lifetime.count == 3
        assert 0.03 <= threads.lifetime.sum < 60
        assert threads.start_delay.count >= 3
    finally:
        done.set()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no clocks of other threads")
def test_cpu_time_includes_that_of_running_threads(core: ModuleType, wait_until: WaitUntil) -> None:
    burnt, done = Flag(), Flag()

    def burn() -> None:
        deadline = time.thread_time() + 0.05
        while time.thread_time() < deadline:
            pass
        burnt.set()
        done.wait(30)

    core.start_new_thread(burn, (), name="burner that runs")
    try:
        assert burnt.wait(10)
        threads = threads_named("burner that runs")
        assert (threads.running, threads.finished) == (1, 0)
        assert 0.05 <= threads.cpu_time < 60
        live = next(thread for thread in snapshot().live_threads if thread.target == threads.target)
        assert threads.cpu_time <= (live.cpu_time or 0) < 60
    finally:
        done.set()
    wait_until(lambda: not core.read_live_threads())


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no clocks of other threads")
def test_cpu_time_never_falls_when_a_thread_ends_at_the_wrong_moment(
    core: ModuleType, wait_until: WaitUntil, monkeypatch: pytest.MonkeyPatch
) -> None:
    burnt, done = Flag(), Flag()

    def burn() -> None:
        deadline = time.thread_time() + 0.02
        while time.thread_time() < deadline:
            pass
        burnt.set()
        done.wait(30)

    core.start_new_thread(burn, (), name="burner that ends")
    assert burnt.wait(10)
    before = threads_named("burner that ends").cpu_time
    read_live_threads = snapshot_reader.read_live_threads

    def read_after_the_end() -> object:
        done.set()
        wait_until(lambda: not core.read_live_threads())
        return read_live_threads()

    monkeypatch.setattr(snapshot_reader, "read_live_threads", read_after_the_end)
    assert threads_named("burner that ends").cpu_time == before
    assert before <= threads_named("burner that ends").cpu_time < before + 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_exceptions_by_type_and_target(core: ModuleType, wait_until: WaitUntil) -> None:
    def fail() -> None:
        raise LookupError("no such shelf")

    before = time.time()
    for _ in range(2):
        core.start_new_thread(fail, (), name="librarian")
    wait_until(lambda: finished_threads(core) == 2)
    (stats,) = snapshot().exceptions
    assert (stats.type, stats.target, stats.count) == ("LookupError", "librarian", 2)
    assert stats.last_traceback.endswith("LookupError: no such shelf\n")
    assert before - 0.01 <= stats.last_at <= time.time()


def test_dropped_events_are_those_of_the_core_and_of_the_exporters(core: ModuleType, wait_until: WaitUntil) -> None:
    core.configure(listening=True, event_capacity=1)
    for _ in range(3):
        core.start_new_thread(int, ())
    wait_until(lambda: finished_threads(core) == 3 and not core.read_live_threads())
    wait_until(lambda: core.dropped_events() == 2)
    assert read_snapshot(dropped_by_exporters=5).dropped_events == 7


def test_coverage_counts_threads_of_three_sorts(core: ModuleType, wait_until: WaitUntil) -> None:
    before = snapshot().coverage
    running = _thread._count()
    done = Flag()
    core.start_new_thread(done.wait, (30,))
    start_own_thread(lambda: done.wait(30))
    for _ in range(2):
        _thread.start_new_thread(done.wait, (30,))
    try:
        wait_until(lambda: _thread._count() == running + 4 and core.untracked_count() == 1)
        assert snapshot().coverage == replace(
            before,
            core=core.NAME,
            observed_threads=before.observed_threads + 1,
            unobserved_threads=before.unobserved_threads + 2,
        )
    finally:
        done.set()
    wait_until(lambda: snapshot().coverage == before)


def test_faults_are_in_the_coverage(core: ModuleType) -> None:
    core.count_internal_error()
    assert snapshot().coverage.faults == 1


def test_coverage_tells_whether_threading_is_instrumented() -> None:
    assert output_of(
        """
        import threading
        from thread import telemetry

        print(telemetry.snapshot().coverage.instrumented)
        telemetry.instrument()
        print(telemetry.snapshot().coverage.instrumented)
        telemetry.uninstrument()
        print(telemetry.snapshot().coverage.instrumented)
        """
    ) == ["False", "True", "False"]


def test_a_snapshot_costs_the_same_whatever_the_number_of_locks(core: ModuleType) -> None:
    def cost() -> float:
        durations = []
        for _ in range(REPEATS):
            began = time.perf_counter()
            snapshot()
            durations.append(time.perf_counter() - began)
        return min(durations)

    locks = [core.allocate_lock(name="one of many")]
    few = cost()
    locks += [core.allocate_lock(name="one of many") for _ in range(100_000)]
    assert cost() < 20 * few
    assert lock_named("one of many").live == len(locks)


def test_nothing_of_the_program_is_kept_alive(core: ModuleType) -> None:
    import gc
    import weakref

    guard = core.allocate_lock(name="guard")
    reference = weakref.ref(guard)
    kept = snapshot()
    del guard
    gc.collect()
    assert reference() is None
    assert kept.locks
