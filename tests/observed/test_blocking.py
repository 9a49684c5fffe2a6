"""Waits for conditions, events, barriers, queues, threads and futures."""

from __future__ import annotations

import concurrent.futures
import gc
import os
import queue
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest
from interruptions import interrupted_when

from thread import telemetry
from thread.telemetry import BlockingStats, snapshot


def rows(kind: str) -> list[BlockingStats]:
    return [row for row in snapshot().blocking if row.kind == kind]


@pytest.fixture
def after_a_moment() -> Iterator[Callable[[Callable[[], object]], None]]:
    """Has something done by another thread when this one waits."""
    threads = []

    def start(action: Callable[[], object]) -> None:
        def act() -> None:
            time.sleep(0.03)
            action()

        threads.append(threading.Thread(target=act))
        threads[-1].start()

    yield start
    for each in threads:
        each.join()


Later = Callable[[Callable[[], object]], None]


def check(kind: str, name: str, function: str, count: int = 1) -> None:
    [row] = [row for row in rows(kind) if row.name.endswith(name)]
    assert row.site.function.endswith(function)
    assert row.site.file == __file__
    assert row.duration.count == count
    assert 0.005 < row.duration.sum < 60


def test_an_event(instrumented: ModuleType, after_a_moment: Later) -> None:
    ready = threading.Event()
    after_a_moment(ready.set)
    ready.wait()
    check("event", ":test_an_event.ready", ".test_an_event")
    assert rows("condition") == []


def test_a_condition(instrumented: ModuleType) -> None:
    changed = threading.Condition()
    with changed:
        assert not changed.wait(0.01)
        assert not changed.wait_for(lambda: False, 0.01)
    assert [row.duration.count for row in rows("condition")] == [1, 1]
    assert {row.name.rpartition(".")[2] for row in rows("condition")} == {"changed"}


def test_a_barrier(instrumented: ModuleType, after_a_moment: Later) -> None:
    together = threading.Barrier(2)
    after_a_moment(together.wait)
    together.wait()
    check("barrier", ".together", ".test_a_barrier")


@pytest.mark.parametrize("kind", [queue.Queue, queue.LifoQueue, queue.PriorityQueue])
def test_a_queue(kind: Any, instrumented: ModuleType, after_a_moment: Later) -> None:
    jobs = kind(maxsize=1)
    after_a_moment(lambda: jobs.put(1))
    assert jobs.get() == 1
    jobs.put(2)
    after_a_moment(jobs.get)
    jobs.put(3)
    after_a_moment(lambda: [jobs.task_done() for _ in range(3)])
    jobs.join()
    found = [row for row in rows("queue") if row.name.endswith(".jobs")]
    assert [row.duration.count for row in found] == [1, 1, 1]
    assert {row.site.function.rpartition(".")[2] for row in found} == {"test_a_queue"}
    jobs.get()


def test_a_simple_queue(instrumented: ModuleType, after_a_moment: Later) -> None:
    if instrumented.NAME == "python":
        pytest.skip("the type is immutable for Python; the C core replaces its method")
    jobs: queue.SimpleQueue[int] = queue.SimpleQueue()
    after_a_moment(lambda: jobs.put(1))
    assert jobs.get() == 1
    check("queue", "", ".test_a_simple_queue")
    jobs.put(2)
    assert jobs.get(timeout=5) == 2
    for arguments in ({"block": False}, {"timeout": 0}):
        with pytest.raises(queue.Empty):
            jobs.get(**arguments)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="non-negative"):
        jobs.get(timeout=-1)
    check("queue", "", ".test_a_simple_queue")


def test_joining_a_thread(instrumented: ModuleType) -> None:
    worker = threading.Thread(target=time.sleep, args=(0.03,))
    with pytest.raises(RuntimeError, match="before it is started"):
        worker.join()
    with pytest.raises(RuntimeError, match="cannot join current thread"):
        threading.current_thread().join()
    worker.start()
    worker.join(0)
    worker.join()
    worker.join()
    check("join", "time:sleep", ".test_joining_a_thread")


def test_futures(instrumented: ModuleType) -> None:
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        pool.submit(time.sleep, 0.01).result()
        concurrent.futures.wait([pool.submit(time.sleep, 0.01)])
        list(concurrent.futures.as_completed([pool.submit(time.sleep, 0.01)]))
        list(pool.map(time.sleep, [0.01]))
    assert sum(row.duration.count for row in rows("future")) == 4
    # That its worker waits for tasks is no blocking, nor that a thread is started.
    assert {row.kind for row in snapshot().blocking} <= {"future", "join"}


def test_a_thread_in_which_nothing_of_the_program_runs(instrumented: ModuleType) -> None:
    timer = threading.Timer(0.02, int)
    timer.start()
    timer.join()
    [row] = rows("event")
    assert row.site.function == "threading.Timer.run"


def test_what_does_not_wait_is_not_recorded(instrumented: ModuleType) -> None:
    ready = threading.Event()
    ready.wait(0)
    ready.set()
    ready.wait()
    jobs: queue.Queue[int] = queue.Queue()
    jobs.put(1)
    jobs.get()
    condition = threading.Condition()
    with pytest.raises(RuntimeError, match="un-acquired lock"):
        condition.wait()
    assert snapshot().blocking == ()


def test_an_interrupted_wait_is_recorded(instrumented: ModuleType) -> None:
    never = threading.Event()
    with interrupted_when(lambda: never._cond._waiters):  # type: ignore[attr-defined]
        never.wait()
    assert [row.duration.count for row in rows("event") if row.site.file == __file__] == [1]


def test_every_wait_is_counted_once(instrumented: ModuleType) -> None:
    def work() -> None:
        never = threading.Event()
        for _ in range(200):
            never.wait(0.00001)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sum(row.duration.count for row in rows("event")) == 1600


def test_a_finalizer_and_a_signal_handler_may_wait_while_a_wait_is_recorded(instrumented: ModuleType) -> None:
    waits = []

    def wait() -> None:
        waits.append(None)
        threading.Event().wait(0.00001)

    class Waiting:
        def __init__(self) -> None:
            self.cycle = self

        def __del__(self) -> None:
            wait()

    before = signal.signal(signal.SIGUSR1, lambda signum, frame: wait())
    threshold = gc.get_threshold()
    try:
        gc.set_threshold(50)
        for _ in range(500):
            signal.raise_signal(signal.SIGUSR1)
            Waiting()
            wait()
        gc.collect()
    finally:
        signal.signal(signal.SIGUSR1, before)
        gc.set_threshold(*threshold)
    assert len(waits) == 1500
    assert sum(row.duration.count for row in rows("event")) == 1500


def test_a_child_starts_from_zero(instrumented: ModuleType) -> None:
    threading.Event().wait(0.001)
    child = os.fork()
    if not child:
        os._exit(len(snapshot().blocking))
    assert os.waitpid(child, 0)[1] == 0
    assert rows("event")


def test_the_telemetry_itself_does_not_block(instrumented: ModuleType) -> None:
    with telemetry.hidden():
        threading.Event().wait(0.001)
    assert snapshot().blocking == ()


def test_uninstrument_gives_the_methods_back(core: ModuleType) -> None:
    def methods() -> list[object]:
        classes = (threading.Condition, threading.Thread, threading.Event, queue.Queue, queue.SimpleQueue)
        return [vars(each) for each in classes]

    before = [dict(namespace) for namespace in methods()]  # type: ignore[call-overload]
    telemetry.instrument()
    assert [vars(threading.Event), vars(queue.Queue)] == before[2:4]
    telemetry.uninstrument()
    assert methods() == before
