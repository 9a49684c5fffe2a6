"""The rows of both cores have the fields that `thread/_rows.py` names, in that order."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import pytest
from conftest import WaitUntil
from rows import (
    blame_rows,
    blocking_rows,
    current_wait_rows,
    event_rows,
    exception_rows,
    executor_rows,
    finished_threads,
    live_thread_rows,
    lock_row,
    target_rows,
)

import thread
from thread import _rows


def wait_in_vain(core: ModuleType) -> None:
    lock = thread.allocate_lock(name="lock")
    with lock:
        assert not lock.acquire(timeout=0.003)


def raise_in_vain(core: ModuleType, wait_until: WaitUntil, monkeypatch: pytest.MonkeyPatch) -> None:
    def raises() -> None:
        raise ValueError("in vain")

    monkeypatch.setattr(sys, "unraisablehook", lambda arguments: None)
    thread.start_new_thread(raises, (), name="raises")
    wait_until(lambda: finished_threads(core))


@pytest.fixture
def evidence(instrumented: ModuleType) -> Iterator[ModuleType]:
    instrumented.configure(listening=True, slow_wait_ns=1_000_000, hold_sampling=1)
    yield instrumented


def test_locks_and_blame(evidence: ModuleType) -> None:
    wait_in_vain(evidence)
    lock = lock_row(evidence, "lock")
    [blame] = [row for row in blame_rows(evidence, "lock") if row.owner_site.function != "gil"]
    assert (lock.location, lock.live, lock.acquisitions) == (
        f"{__file__}:{wait_in_vain.__code__.co_firstlineno + 1}",
        0,
        1,
    )
    assert (lock.contentions, lock.timeouts, lock.waiters, lock.oldest_wait_ns) == (0, 1, 0, 0)
    assert lock.wait.recorded == lock.hold.recorded == 1
    assert lock.wait.sum_ns == lock.wait.max_ns >= 3_000_000
    assert sum(lock.wait.buckets) == 1
    assert blame.acquire_site.filename == __file__
    assert blame.acquire_site.line == wait_in_vain.__code__.co_firstlineno + 3
    assert 0 < blame.waited_ns <= lock.wait.sum_ns


def test_slow_waits(evidence: ModuleType) -> None:
    wait_in_vain(evidence)
    [wait] = event_rows(evidence, "slow_wait")
    assert (wait.lock, wait.kind, wait.outcome) == ("lock", "lock", "timed out")
    assert wait.ident == wait.owner_ident == threading.get_ident()
    assert wait.native_id == threading.get_native_id()
    assert wait.acquire_stack[0] == wait.acquire_site
    assert wait.owner_stack[0] == wait.owner_site
    assert (wait.waiters, wait.task, wait.span, wait.owner_span) == (1, None, None, None)
    assert evidence.monotonic_ns() > wait.started_ns + wait.duration_ns


def test_slow_waits_for_something_else_have_the_same_fields(
    evidence: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    from thread._observed import blocking

    monkeypatch.setattr(blocking, "library_of", lambda location: ("/srv/pool/",))
    event = threading.Event()
    assert not event.wait(0.003)
    [wait] = event_rows(evidence, "slow_wait")
    assert (wait.kind, wait.outcome, wait.gil_wait_ns, wait.owner_stack) == ("event", "timed out", None, ())
    assert wait.acquire_site.filename == __file__


def test_blocking_waits(evidence: ModuleType) -> None:
    assert not threading.Event().wait(0.003)
    # Threads that other tests have left may wait as well.
    [row] = [each for each in blocking_rows(evidence) if each.site.filename == __file__]
    assert (row.kind, row.duration.recorded) == ("event", 1)


def test_current_waits_and_live_threads(evidence: ModuleType, wait_until: WaitUntil) -> None:
    lock = thread.allocate_lock(name="lock")
    with lock:
        ident = thread.start_new_thread(lock.acquire, (), name="waits")
        wait_until(lambda: evidence.read_current_waits())
        [wait] = current_wait_rows(evidence)
        [live] = live_thread_rows(evidence)
        assert (wait.ident, wait.lock, wait.kind, wait.owner) == (ident, "lock", "lock", threading.get_ident())
        assert (live.ident, live.target) == (ident, "waits")
        assert live.started_ns <= wait.since_ns < evidence.monotonic_ns()
    wait_until(lambda: not evidence.read_live_threads())


def test_threads_and_their_exceptions(
    evidence: ModuleType, wait_until: WaitUntil, monkeypatch: pytest.MonkeyPatch
) -> None:
    raise_in_vain(evidence, wait_until, monkeypatch)
    [target] = target_rows(evidence)
    [total] = exception_rows()
    [exception, finished] = event_rows(evidence)
    assert (target.target, target.started, target.finished) == ("raises", 1, 1)
    assert (target.start_delay.recorded, target.lifetime.recorded) == (1, 1)
    assert (finished.target, finished.outcome, finished.starter.filename) == ("raises", "raised", __file__)
    assert finished.lifetime_ns == target.lifetime.sum_ns
    assert finished.start_delay_ns == target.start_delay.sum_ns
    assert finished.cpu_time_ns == target.cpu_time_ns
    assert (total.type, total.target, total.occurrences, total.source) == ("ValueError", "raises", 1, "thread")
    assert (exception.type, exception.message, exception.target) == ("ValueError", "in vain", "raises")
    assert (exception.source, exception.site.filename, exception.at_ns) == ("thread", __file__, total.last_at_ns)
    assert str(exception.traceback) == total.last_traceback
    assert (exception.ident, exception.native_id) == (finished.ident, finished.native_id)


def test_executors(evidence: ModuleType) -> None:
    with ThreadPoolExecutor(1, thread_name_prefix="pool") as pool:
        assert pool.submit(int, "7").result(60) == 7
    [row] = executor_rows()
    assert (row.name, row.submitted, row.finished, row.unread_exceptions) == ("pool", 1, 1, 0)
    assert (row.busy, row.queue_length, row.workers) == (0, 0, 0)
    assert (row.queue_duration.recorded, row.run_duration.recorded) == (1, 1)


def test_a_row_with_a_field_too_many_is_refused() -> None:
    row: tuple[Any, ...] = ("lock",) * 12
    with pytest.raises(TypeError, match="Expected 11 arguments, got 12"):
        _rows.LockRow._make(row)


@pytest.mark.parametrize("kind", _rows.EVENT_ROWS)
def test_each_event_begins_with_its_kind(kind: str) -> None:
    row_type = _rows.EVENT_ROWS[kind]
    assert _rows.event_kind(row_type._make([kind, *[None] * (len(row_type._fields) - 1)])) == kind
