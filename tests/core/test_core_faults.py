"""Nothing of ours raises into a program: an exception is injected into every function that the core in C calls.

The code of one function at a time is replaced by code that raises. Whatever the program does with locks and threads
meanwhile has to end as it does without us, and the fault has to be counted.
"""

from __future__ import annotations

import importlib
import inspect
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from traceback import extract_tb
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest
from injected_faults import Span, Tracing
from rows import lock_rows

import thread
from thread._backend import core as the_core
from thread._base.interruptions import internal_errors_below_the_core

CALLED = [
    *("thread._inspection.naming", "thread._inspection.targets", "thread._inspection.tracebacks"),
    *("thread._inspection.unhandled", "thread._base.accumulator", "thread._base.atomic", "thread._base.buckets"),
    "thread._export.tracing",
    *(["thread._core_py._histogram"] if the_core.NAME == "python" else []),
]
CALLS_THE_HOOK = "_Hook.__call__"
"""The function that `threading` calls instead of its own hook."""


class Injected(Exception):
    pass


reached: list[None] = []


def raises(*arguments: object, **keywords: object) -> None:
    reached.append(None)
    raise Injected


def functions_of(module: ModuleType) -> Iterator[FunctionType]:
    def own(value: object) -> bool:
        return inspect.isfunction(value) and value.__module__ == module.__name__

    for value in list(vars(module).values()):
        if own(value):
            yield value  # type: ignore[misc]
        elif inspect.isclass(value) and value.__module__ == module.__name__:
            for member in vars(value).values():
                if inspect.isfunction(member):
                    yield member


@contextmanager
def failing(function: FunctionType) -> Iterator[None]:
    code: CodeType = function.__code__
    function.__code__ = raises.__code__
    globals_of = function.__globals__
    globals_of.update(reached=reached, Injected=Injected)
    try:
        yield
    finally:
        function.__code__ = code
        for name in "reached", "Injected":
            globals_of.pop(name, None)


def new_function(number: int) -> Any:
    """Of code that nobody has seen yet, so that all that is known of it has to be worked out."""
    namespace: dict[str, Any] = {"thread": thread, "threading": threading, "__name__": "made"}
    source = f"def create{number}():\n    lock = thread.allocate_lock()\n    return lock, threading.RLock()\n"
    exec(compile(source, f"/srv/made{number}.py", "exec"), namespace)
    return namespace[f"create{number}"]


def use_locks(number: int) -> None:
    lock, rlock = new_function(number)()
    for each in lock, rlock, thread.allocate_lock(name=f"name {number}"):
        with each:
            assert not isinstance(each, thread.LockType) or not each.acquire(False)
        assert each.acquire()
        each.release()
    with rlock, rlock:
        assert rlock._recursion_count() == 2
    assert rlock._recursion_count() == 0
    assert not lock.locked()
    contend(lock)
    contend(rlock)
    the_core.rename(lock, f"other name {number}")


def contend(lock: Any) -> None:
    """Waits that end with and without the lock, slow ones both."""
    held = threading.Event()
    release = threading.Event()

    def hold() -> None:
        with lock:
            held.set()
            release.wait(30)

    owner = threading.Thread(target=hold)
    owner.start()
    assert held.wait(30)
    assert not lock.acquire(timeout=0.002)
    timer = threading.Timer(0.002, release.set)
    timer.start()
    with lock:
        assert not lock.acquire(False) or lock._recursion_count() == 2
        lock.release() if isinstance(lock, thread.RLock) else None
    owner.join(30)
    timer.join(30)


def use_conditions_and_semaphores() -> None:
    condition = threading.Condition()
    with condition:
        assert not condition.wait(0.001)
    semaphore = threading.Semaphore(1)
    with semaphore:
        assert not semaphore.acquire(timeout=0.001)
    assert semaphore.acquire(False)


def use_threads() -> None:
    ended = threading.Event()

    def work(raised: BaseException | None) -> None:
        try:
            if raised is not None:
                raise raised
        finally:
            ended.set()

    for raised in None, ValueError("x"), SystemExit():
        ended.clear()
        thread.start_new_thread(work, (raised,))
        assert ended.wait(30)
        started = threading.Thread(target=work, args=(raised,))
        started.start()
        started.join(30)
        assert not started.is_alive()


@pytest.fixture
def quiet(instrumented: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.setattr(threading, "excepthook", lambda arguments: None)
    monkeypatch.setattr(sys, "unraisablehook", lambda arguments: None)
    instrumented.configure(slow_wait_ns=0, hold_sampling=1, listening=True, event_capacity=100)
    instrumented.set_tracing(Tracing())
    token = Tracing.variable.set({"span": Span()})
    yield instrumented
    Tracing.variable.reset(token)
    instrumented.set_tracing(None)


@pytest.mark.parametrize("name", CALLED)
def test_a_program_goes_on_whatever_function_of_ours_fails(quiet: ModuleType, name: str) -> None:
    module = importlib.import_module(name)
    wrong = []
    for number, function in enumerate(functions_of(module)):
        qualname = function.__qualname__
        if qualname == CALLS_THE_HOOK or function.__code__.co_freevars:
            continue
        reached.clear()
        before = quiet.internal_errors() + internal_errors_below_the_core()
        try:
            with failing(function):
                use_locks(1000 * CALLED.index(name) + number)
                use_conditions_and_semaphores()
                use_threads()
        except BaseException as error:
            where = [f"{frame.filename.rpartition('/')[2]}:{frame.name}" for frame in extract_tb(error.__traceback__)]
            wrong.append(f"{qualname} raised {error!r} by way of {where}")
            continue
        if [row for row in lock_rows(quiet) if row.waiters]:
            wrong.append(f"{qualname} leaves somebody waiting")
            quiet.reset()
        if reached and quiet.internal_errors() + internal_errors_below_the_core() == before:
            wrong.append(f"{qualname} was not counted")
    assert not wrong
