"""Small programs: those with the same output on both cores, and those that differ, with the reason.

A program sees the names of `PREAMBLE`. It prints what a user or a reader of rows can see, without times, idents and
addresses.
"""

from __future__ import annotations

from .locks import LOCKS
from .names import NAMES
from .threads import THREADS
from .waits import WAITS
from .whole_core import WHOLE_CORE

PREAMBLE = """
import _thread, asyncio, concurrent.futures, copy, gc, os, pickle, queue, signal, sys, threading, time, weakref
import thread
from rows import *
from thread import telemetry
from thread._backend import core

threading.excepthook = lambda arguments: None
sys.unraisablehook = lambda arguments: None

def show(rows, *fields):
    print(sorted(tuple(getattr(row, field) for field in fields) for row in rows))

def until(predicate):
    ends_at = time.monotonic() + 60
    while not predicate():
        assert time.monotonic() < ends_at, "waited in vain"
        time.sleep(0.001)

def run(function, *arguments, **options):
    before = finished_threads(core)
    thread.start_new_thread(function, arguments, **options)
    until(lambda: finished_threads(core) > before)

def waiting(lock):
    waiter = threading.Thread(target=lock.acquire)
    waiter.start()
    until(core.read_current_waits)
    return waiter

def outcome(function, *arguments, **options):
    try:
        return function(*arguments, **options)
    except BaseException as error:
        return type(error).__name__, str(error)
"""

PROGRAMS = LOCKS | NAMES | THREADS | WAITS | WHOLE_CORE

KNOWN_TO_DIFFER = {
    "a method that is written in Python says so when it gets an argument too many": """
        print(outcome(thread.allocate_lock().acquire, x=1))
    """,
    "in Python a thread gets the lock and the GIL in one step, so its wait for the GIL is unknown": """
        core.configure(listening=True, slow_wait_ns=1_000_000)
        lock = thread.allocate_lock()
        lock.acquire()
        waiter = waiting(lock)
        time.sleep(0.01)
        lock.release()
        waiter.join()
        [event] = event_rows(core, "slow_wait")
        print(type(event.gil_wait_ns))
    """,
    "queue.SimpleQueue is written in C, so only C code can observe a wait in it": """
        telemetry.instrument()
        outcome(queue.SimpleQueue().get, timeout=0.01)
        show(blocking_rows(core), "kind")
    """,
}
"""Differences by their reason."""
