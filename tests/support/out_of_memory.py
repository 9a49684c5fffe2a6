"""Fails each allocation in turn, in every operation of the C core; run by test_out_of_memory.py.

Prints a line for whatever is wrong: an error that is no MemoryError, one from where none may come, a lock in the wrong
state, an exception left set. Then how many allocations failed.
"""

from __future__ import annotations

import _testcapi  # type: ignore[import-not-found]
import _thread
import asyncio
import contextvars
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import thread
from thread import telemetry
from thread._backend import core

Operation = Callable[[], object]
Check = Callable[[], object]
"""A description of anything wrong; None if all is well."""

telemetry.instrument()
core.configure(slow_wait_ns=0, listening=True, hold_sampling=1, event_capacity=64)
threading.excepthook = lambda arguments: None
sys.unraisablehook = lambda arguments: None
numbers = count()
SHORT = 0.0003
ROUNDS_AFTER_THE_LAST = 6
MOST = 400

held = thread.allocate_lock()
held.acquire()
held_by_another = thread.RLock()
thread.start_new_thread(held_by_another.acquire, ())
while held_by_another.acquire(False):
    held_by_another.release()
    time.sleep(0.001)


def until(predicate: Callable[[], object]) -> bool:
    ends_at = time.monotonic() + 30
    while not predicate():
        if time.monotonic() > ends_at:
            return False
        time.sleep(0.0005)
    return True


def nothing_wrong() -> None:
    return None


def new_creation_site() -> Operation:
    """Create a lock in code that has never run before."""
    number = next(numbers)
    source = f"def create{number}():\n    lock = allocate()\n"
    namespace: dict[str, Any] = {"allocate": thread.allocate_lock, "__name__": f"made{number}"}
    exec(compile(source, f"/srv/made{number}.py", "exec"), namespace)
    create: Operation = namespace[f"create{number}"]
    return create


def creating() -> Iterator[tuple[str, Operation, Check]]:
    yield "create", new_creation_site(), nothing_wrong
    name = f"name {next(numbers)}"
    yield "create named", lambda: thread.allocate_lock(name=name), nothing_wrong
    yield "create rlock", thread.RLock, nothing_wrong
    lock = thread.allocate_lock()
    yield "rename", lambda: core.rename(lock, name), nothing_wrong


def acquiring() -> Iterator[tuple[str, Operation, Check]]:
    for make in thread.allocate_lock, thread.RLock:
        lock: Any = make()

        def use(lock: Any = lock) -> None:
            lock.acquire()
            lock.release()
            lock.acquire(True)
            lock.release()
            lock.acquire(timeout=1)
            lock.release()
            lock.acquire(True, 0.5)
            lock.release()

        def enter(lock: Any = lock) -> None:
            with lock:
                pass

        # Looking up the methods needs memory, with any lock.
        yield "with", enter, left_locked(lock)
        yield "acquire", use, left_locked(lock)
    yield "time out", lambda: held.acquire(timeout=SHORT), nothing_wrong
    yield "time out of an rlock", lambda: held_by_another.acquire(timeout=SHORT), nothing_wrong


def left_locked(lock: Any) -> Check:
    def check() -> object:
        if not lock.acquire(False):
            return "left locked"
        lock.release()
        return None

    return check


def handing_over() -> Iterator[tuple[str, Operation, Check]]:
    """Hand a lock over to a waiting thread, and wait for one from another thread."""
    lock = thread.allocate_lock()
    lock.acquire()
    done = _thread.allocate_lock()
    done.acquire()

    def want() -> None:
        lock.acquire()
        done.release()

    _thread.start_new_thread(want, ())
    until(lambda: len(core.read_current_waits()) > 0)
    yield "release", lock.release, lambda: None if done.acquire(timeout=30) else "who waits is not told"
    go = _thread.allocate_lock()
    go.acquire()

    def give() -> None:
        go.acquire()
        time.sleep(0.0005)
        lock.release()

    _thread.start_new_thread(give, ())
    go.release()
    yield "wait and acquire", lock.acquire, lambda: None if not lock.acquire(False) else "acquired, yet free"


def restoring() -> Iterator[tuple[str, Operation, Check]]:
    lock = thread.RLock()
    lock.acquire()
    lock.acquire()
    state = lock._release_save()
    yield (
        "restore",
        lambda: lock._acquire_restore(state),
        lambda: None if lock._recursion_count() == 2 else f"acquired {lock._recursion_count()} times",
    )


def semaphores() -> Iterator[tuple[str, Operation, Check]]:
    record = core.SemaphoreRecord()
    record.acquired()

    def use() -> None:
        wait = record.begin_wait()
        wait.seconds_to_evidence()
        wait.give_evidence()
        wait.end(True)
        record.acquired()
        record.released(1)

    yield "semaphore", use, nothing_wrong


def starting() -> Iterator[tuple[str, Operation, Check]]:
    done = _thread.allocate_lock()
    done.acquire()

    def work() -> None:
        try:
            raise ValueError
        finally:
            done.release()

    work.__qualname__ = f"work{next(numbers)}"
    started: list[int] = []

    def start() -> None:
        started[:] = (thread.start_new_thread(work, ()),)

    yield "start", start, lambda: None if not started or done.acquire(timeout=30) else "a started thread did not run"


def reading() -> Iterator[tuple[str, Operation, Check]]:
    for read in (
        *(core.read_locks, core.read_blame, core.read_blocking, core.read_current_waits, core.read_threads),
        *(core.read_live_threads, core.take_events),
    ):
        held.acquire(timeout=SHORT)
        yield read.__name__, read, nothing_wrong
    yield "push", lambda: core.push_event(("x",)), nothing_wrong
    capacity = 64 + next(numbers) % 7
    yield "configure", lambda: core.configure(event_capacity=capacity), nothing_wrong
    yield "reset", core.reset, nothing_wrong
    counts = core.HistogramCounts()
    yield "add", lambda: counts.add(5), nothing_wrong
    yield "read", counts.read, nothing_wrong
    began = core.monotonic_ns()
    yield "block", lambda: core.blocking_row("event", "name").add_since(began), nothing_wrong


class Span:
    pass


class Tracing:
    variable: contextvars.ContextVar[Any] = contextvars.ContextVar("span")
    span_key = "span"
    context_attribute = "_context"
    context_type = dict
    thread_span_type = Span

    @staticmethod
    def prepare_thread(function: object, span: object) -> bool:
        return True


def tracing() -> Iterator[tuple[str, Operation, Check]]:
    current: Any = Span()
    current._context = (123, 4)
    Tracing.variable.set({"span": current})
    core.set_tracing(Tracing())
    yield "span", core.current_span, nothing_wrong
    yield "time out in a trace", lambda: held.acquire(timeout=SHORT), nothing_wrong
    yield from starting()
    core.set_tracing(None)
    loop = asyncio.new_event_loop()
    outcome: list[object] = []

    async def wait_in_task() -> None:
        outcome[:] = (failed(attempt, lambda: held.acquire(timeout=SHORT)),)

    loop.run_until_complete(wait_in_task())
    loop.close()
    if outcome[0] is not None:
        print(f"time out in a task, allocation {attempt}: {outcome[0]!r}")


NEVER_RAISE = ("acquire", "time out", "time out of an rlock", "release", "wait and acquire", "time out in a trace")


def failed(attempt: int, operation: Operation) -> BaseException | None:
    """Return the outcome of the operation if this allocation fails."""
    error: BaseException | None = None
    _testcapi.set_nomemory(attempt, attempt + 1)
    try:
        operation()
    except BaseException as raised:
        error = raised
    try:
        _testcapi.remove_mem_hooks()
    except SystemError:
        # A function has returned with an exception set.
        error = SystemError("an exception was left set")
        _testcapi.remove_mem_hooks()
    return error


def verdict(name: str, error: BaseException | None) -> str | None:
    if error is None or (isinstance(error, MemoryError) and name not in NEVER_RAISE):
        return None
    # The interpreter itself complains if it cannot make a lock or a thread of its own.
    if isinstance(error, RuntimeError) and str(error).startswith("can't") and name not in NEVER_RAISE:
        return None
    return repr(error)


total = 0
for group in creating, acquiring, handing_over, restoring, semaphores, starting, reading, tracing:
    quiet = 0
    for attempt in range(MOST):
        faults = core.internal_errors()
        harmed = False
        for name, operation, check in group():
            error = failed(attempt, operation)
            harmed = harmed or error is not None
            wrong = verdict(name, error) or check()
            if wrong:
                print(f"{name}, allocation {attempt}: {wrong}")
        harmed = harmed or core.internal_errors() != faults
        total += 1
        quiet = 0 if harmed else quiet + 1
        if quiet == ROUNDS_AFTER_THE_LAST:
            break
print(total, flush=True)
os._exit(0)
