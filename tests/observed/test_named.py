"""Names that a program gives."""

from __future__ import annotations

import queue
import threading
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import pytest

from thread.telemetry import named, snapshot


def names() -> set[str]:
    return {lock.name for lock in snapshot().locks}


MAKERS = {
    "lock": lambda: threading.Lock(),
    "rlock": lambda: threading.RLock(),
    "semaphore": lambda: threading.BoundedSemaphore(2),
    "condition": lambda: threading.Condition(threading.Lock()),
    "event": lambda: threading.Event(),
    "barrier": lambda: threading.Barrier(2),
    "queue": lambda: queue.LifoQueue(),
}


@pytest.mark.parametrize("kind", MAKERS)
def test_what_is_made_of_locks_is_renamed(kind: str, instrumented: ModuleType) -> None:
    made: Any = MAKERS[kind]()
    assert named(made, f"the {kind}") is made
    assert {name for name in names() if name.startswith(f"the {kind}")}
    assert not [name for name in names() if "MAKERS" in name and "test_named" in name]


def test_parts_keep_their_names(instrumented: ModuleType) -> None:
    jobs: queue.Queue[int] = named(queue.Queue(), "jobs")
    jobs.put(1)
    [lock] = [lock for lock in snapshot().locks if lock.name.startswith("jobs")]
    assert (lock.name, lock.acquisitions, lock.live) == ("jobs (Queue.mutex)", 1, 1)


def test_blocking_goes_by_the_name(instrumented: ModuleType) -> None:
    named(threading.Event(), "ready").wait(0.001)
    [row] = snapshot().blocking
    assert (row.kind, row.name) == ("event", "ready")


def test_a_thread_is_counted_under_its_name(instrumented: ModuleType) -> None:
    worker = named(threading.Thread(target=int), "refresher")
    worker.start()
    worker.join()
    assert [stats.started for stats in snapshot().threads if stats.target == "refresher"] == [1]


def test_an_executor_is_called_by_its_name(instrumented: ModuleType) -> None:
    with named(ThreadPoolExecutor(1, thread_name_prefix="pool"), "mail") as pool:
        pool.submit(int).result()
    assert [stats.finished for stats in snapshot().executors if stats.name == "mail"] == [1]


@pytest.mark.parametrize("kind", MAKERS)
def test_what_is_not_observed_is_returned_as_it_is(kind: str, core: ModuleType) -> None:
    made: Any = MAKERS[kind]()
    assert named(made, "unobserved") is made
    assert not [name for name in names() if name.startswith("unobserved")]


def test_what_cannot_be_named_is_refused(core: ModuleType) -> None:
    with pytest.raises(TypeError, match="expected a lock, RLock, .* got list"):
        named([], "list")
    with pytest.raises(TypeError, match="expected a str as the name, got "):
        named(threading.Lock(), 1)  # type: ignore[arg-type]
