"""Stack traces and dumps of a program show as little of ours as can be: no frame with the C core, one for each method
of the standard library that is replaced."""

from __future__ import annotations

import queue
import sys
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import FrameType, ModuleType, TracebackType
from typing import Any

import pytest
from conftest import WaitUntil

from thread._base.code_origin import OWN_FOLDER


def of_ours(stack: traceback.StackSummary) -> list[str]:
    return [frame.name for frame in stack if frame.filename.startswith(OWN_FOLDER)]


def in_traceback(function: Callable[[], object]) -> list[str]:
    with pytest.raises(Exception) as caught:
        function()
    return of_ours(traceback.extract_tb(caught.value.__traceback__))


def fail() -> None:
    raise ValueError


def test_an_error_of_a_lock_comes_from_nowhere_else(instrumented: ModuleType) -> None:
    lock, rlock = threading.Lock(), threading.RLock()
    for function in (lock.release, rlock.release, lambda: lock.acquire(False, 1)):
        assert len(in_traceback(function)) <= (0 if instrumented.NAME == "c" else 3)


def test_an_error_of_what_is_replaced_has_one_frame_of_ours(instrumented: ModuleType) -> None:
    condition, jobs = threading.Condition(), queue.Queue[int]()
    assert in_traceback(condition.wait) == ["wait"]
    assert in_traceback(threading.current_thread().join) == ["join"]
    assert in_traceback(lambda: threading.Semaphore().acquire(False, 1)) == ["acquire"]
    assert in_traceback(threading.BoundedSemaphore().release) == ["release"]
    assert in_traceback(lambda: jobs.get(timeout=0.001)) == []
    assert len(in_traceback(lambda: queue.SimpleQueue[int]().get(timeout=0.001))) <= 1


def test_the_exception_of_a_thread_and_of_a_task_has_none_but_that_of_the_result(
    instrumented: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[TracebackType | None] = []
    monkeypatch.setattr(threading, "excepthook", lambda arguments: seen.append(arguments.exc_traceback))
    failing = threading.Thread(target=fail)
    failing.start()
    failing.join(60)
    assert [of_ours(traceback.extract_tb(each)) for each in seen] == [[]]
    with ThreadPoolExecutor(1) as executor:
        # It stands for the interpreter's own function of that name.
        assert in_traceback(executor.submit(fail).result) == ["__get_result"]


def test_a_dump_shows_a_thread_that_waits_as_the_interpreter_does(
    instrumented: ModuleType, wait_until: WaitUntil
) -> None:
    lock, event = threading.Lock(), threading.Event()
    lock.acquire()

    def innermost(waiting: threading.Thread) -> FrameType | None:
        return sys._current_frames().get(waiting.ident or 0)

    def frames_of_ours(function: Callable[[], Any], where: str) -> list[str]:
        waiting = threading.Thread(target=function, name=where)
        waiting.start()
        wait_until(lambda: instrumented.read_current_waits() or where == "event")
        wait_until(lambda: where == "lock" or "wait" in str(traceback.extract_stack(innermost(waiting))))
        found = of_ours(traceback.extract_stack(innermost(waiting)))
        lock.release() if where == "lock" else event.set()
        waiting.join(60)
        return found

    in_lock, in_event = frames_of_ours(lock.acquire, "lock"), frames_of_ours(event.wait, "event")
    if instrumented.NAME == "c":
        assert in_lock == []
        assert len(in_event) <= 1
    else:
        # Each thread begins in one, and the lock is made of five.
        assert len(in_lock) <= 6
        assert len(in_event) <= 2
