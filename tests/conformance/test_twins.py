"""The two cores do the same: small programs run with each, and what they print is compared.

One suite passes over either core, but it looks at one at a time, and what no test asks for may differ. What is known to
differ, and has to, stands here with its reason.
"""

from __future__ import annotations

import os
import subprocess
import sys
from textwrap import dedent

import pytest

from thread._backend import core

pytestmark = pytest.mark.skipif(core.NAME != "c", reason="the twin is compared with the C core where that is there")

PREAMBLE = """
import sys, threading, time
import thread
from thread import telemetry
from thread._backend import core

threading.excepthook = lambda arguments: None
sys.unraisablehook = lambda arguments: None

def rows(read, *columns):
    return sorted(tuple(row[column] for column in columns) for row in read())

def until(predicate):
    ends_at = time.monotonic() + 60
    while not predicate():
        assert time.monotonic() < ends_at, "waited in vain"
        time.sleep(0.001)

def run(function, *arguments, **options):
    before = sum(row[2] for row in core.read_threads())
    thread.start_new_thread(function, arguments, **options)
    until(lambda: sum(row[2] for row in core.read_threads()) > before)

def waiting(lock):
    waiter = threading.Thread(target=lock.acquire)
    waiter.start()
    until(core.read_current_waits)
    return waiter

def outcome(function, *arguments, **options):
    try:
        return function(*arguments, **options)
    except Exception as error:
        return type(error).__name__, str(error)
"""

PROGRAMS = {
    "the 1,001st target is counted under other, and that is said": """
        for number in range(1010):
            work = lambda: None
            work.__qualname__ = f"work{number}"
            thread.start_new_thread(work, ())
        until(lambda: sum(row[2] for row in core.read_threads()) == 1010)
        rest = [row[:3] for row in core.read_threads() if row[0] == "other"]
        print(core.sites_capped(), len(core.read_threads()), rest)
    """,
    "the 2,001st identity is counted under other, and that is said": """
        locks = [thread.allocate_lock(name=f"lock {number}") for number in range(2010)]
        print(core.sites_capped(), len(core.read_locks()), [row[3] for row in core.read_locks() if row[0] == "other"])
    """,
    "an empty name is no name": """
        def work(): pass
        run(work, name="")
        lock, rlock = thread.allocate_lock(name=""), thread.RLock(name="")
        print(rows(core.read_threads, 0), rows(core.read_locks, 0, 1), core.SemaphoreRecord(name="") is None)
    """,
    "names that are none are refused": """
        for make in thread.allocate_lock, thread.RLock, core.SemaphoreRecord:
            print(outcome(make, name=1), outcome(make, name=b"x"))
        print(outcome(thread.start_new_thread, int, (), name=1), outcome(core.rename, thread.allocate_lock(), None))
        print(outcome(core.rename, 1, "x"))
    """,
    "a target whose class cannot be described costs no thread": """
        class Meta(type):
            def __getattribute__(cls, name): raise ZeroDivisionError
        class Work(metaclass=Meta):
            def __call__(self): done.append(1)
        done = []
        thread.start_new_thread(Work(), ())
        until(lambda: done)
        print(done)
    """,
    "a lock that is renamed while a thread waits": """
        lock = thread.allocate_lock(name="before")
        lock.acquire()
        waiter = waiting(lock)
        telemetry.named(lock, "after")
        print([row[1] for row in core.read_current_waits()], rows(core.read_locks, 0, 9))
        lock.release()
        waiter.join()
        print(rows(core.read_locks, 0, 3, 4, 5, 9), {row[0] for row in core.read_blame()})
    """,
    "a smaller buffer keeps the newest events": """
        for number in range(6):
            core.push_event((number,))
        core.configure(event_capacity=2)
        print(core.dropped_events())
        print(core.take_events())
        core.push_event((6,))
        core.configure(event_capacity=4)
        print(core.take_events(), core.dropped_events())
    """,
    "counts of acquisitions, contentions and time-outs": """
        lock, rlock = thread.allocate_lock(name="lock"), thread.RLock(name="rlock")
        for each in lock, rlock:
            with each: pass
            each.acquire(); each.release()
            each.acquire(False); print(outcome(each.acquire, True, 0.001)); each.release()
        lock.acquire()
        print(lock.acquire(False), lock.acquire(timeout=0.002), lock.acquire(True, 0))
        waiter = waiting(lock)
        lock.release()
        waiter.join()
        print(rows(core.read_locks, 0, 1, 3, 4, 5, 6, 9))
    """,
    "errors of locks": """
        lock, rlock = thread.allocate_lock(), thread.RLock()
        for each in lock, rlock:
            print(outcome(each.release), outcome(each.acquire, False, 1), outcome(each.acquire, True, -2))
            print(outcome(each.acquire, timeout=1e300), outcome(each.acquire, timeout=float("nan")))
    """,
    "outcomes of threads": """
        def returns(): pass
        def exits(): sys.exit()
        def raises(): raise ValueError("x")
        telemetry.instrument()
        core.configure(listening=True)
        for each in returns, exits, raises:
            run(each)
            started = threading.Thread(target=each)
            started.start()
            started.join()
        until(lambda: sum(row[2] for row in core.read_threads()) == 6)
        events = core.take_events()
        print(sorted((event[3], event[-4]) for event in events if event[0] == "thread_finished"))
        print(sorted(event[1:4] for event in events if event[0] == "unhandled_exception"))
        print(rows(core.read_threads, 0, 1, 2), core.internal_errors())
    """,
    "the fields of a slow wait": """
        core.configure(listening=True, slow_wait_ns=1_000_000)
        lock = thread.allocate_lock(name="lock")
        lock.acquire()
        print(lock.acquire(timeout=0.02))
        [event] = core.take_events()
        print(len(event), event[0:3], event[7][0], event[10][0], event[11:15], event[-1])
    """,
    "settings and their errors": """
        for name in "slow_wait_ns", "hold_sampling", "event_capacity", "stack_depth":
            print(outcome(core.configure, **{name: -1}), outcome(core.configure, **{name: 1}))
        print(outcome(core.configure, unknown=1)[0])
    """,
    "a hidden thread is not observed": """
        core.enter_untracked()
        lock = thread.allocate_lock(name="lock")
        with lock: pass
        print(core.is_untracked(), core.untracked_count(), core.object_name(lock))
        core.leave_untracked()
        core.leave_untracked()
        print(core.is_untracked(), core.untracked_count(), core.read_locks())
    """,
    "waits for conditions, events and queues": """
        import queue
        telemetry.instrument()
        condition, event, jobs = threading.Condition(), threading.Event(), queue.Queue()
        with condition: condition.wait(0.001)
        event.wait(0.001)
        outcome(jobs.get, timeout=0.001)
        threading.Thread(target=int).start()
        print(sorted((row[0], row[1], row[3][0]) for row in core.read_blocking() if row[0] != "join"))
    """,
    "semaphores": """
        telemetry.instrument()
        semaphore = telemetry.named(threading.Semaphore(1), "permits")
        semaphore.acquire()
        print(semaphore.acquire(timeout=0.002), semaphore.acquire(False))
        semaphore.release()
        print([row for row in rows(core.read_locks, 0, 1, 3, 4, 5, 6) if row[1] == "semaphore"])
    """,
    "sums and bounds of histograms": """
        counts = core.HistogramCounts()
        print(counts.read())
        for duration in 0, -5, 1, 59, 60, 10**9, 2**62:
            counts.add(duration)
        print(counts.read())
    """,
    "everything at zero after a reset": """
        lock = thread.allocate_lock(name="lock")
        with lock: pass
        core.push_event(("x",))
        core.count_internal_error()
        core.reset()
        print(rows(core.read_locks, 0, 3, 4, 5), core.take_events(), core.internal_errors(), core.dropped_events())
    """,
}

KNOWN_TO_DIFFER = {
    "a method that is written in Python says so when it gets an argument too many": """
        print(outcome(thread.allocate_lock().acquire, x=1))
    """,
    "seen from Python, the lock and the GIL are had in one step, so that the wait for the GIL cannot be told": """
        core.configure(listening=True, slow_wait_ns=1_000_000)
        lock = thread.allocate_lock()
        lock.acquire()
        waiter = waiting(lock)
        time.sleep(0.01)
        lock.release()
        waiter.join()
        [event] = core.take_events()
        print(type(event[-2]))
    """,
}
"""Differences, by their reasons."""

FOLDER = "/srv/twins"


def output(name: str, *, pure: bool) -> str:
    source = PREAMBLE + dedent((PROGRAMS | KNOWN_TO_DIFFER)[name])
    done = subprocess.run(
        [sys.executable, "-c", f"exec(compile({source!r}, '{FOLDER}/program.py', 'exec'))"],
        env=os.environ | {"THREAD_TELEMETRY_PURE": "1" if pure else "0"},
        capture_output=True,
        text=True,
        timeout=100,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("name", PROGRAMS)
def test_both_cores_do_the_same(name: str) -> None:
    with_c = output(name, pure=False)
    assert with_c
    assert "Traceback" not in with_c
    assert output(name, pure=True) == with_c


@pytest.mark.parametrize("reason", KNOWN_TO_DIFFER)
def test_what_is_known_to_differ_does(reason: str) -> None:
    assert output(reason, pure=False) != output(reason, pure=True)
