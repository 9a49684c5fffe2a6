"""Thread pools and what becomes of the exceptions of their tasks."""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import os
import threading
import traceback
import weakref
from concurrent.futures import Future, ThreadPoolExecutor
from types import ModuleType
from typing import Any

import pytest
from conftest import WaitUntil

from thread.telemetry import ExecutorStats, UnhandledException, snapshot


def stats(name: str) -> ExecutorStats:
    [found] = [each for each in snapshot().executors if each.name.endswith(name)]
    return found


class Refused(Exception):
    pass


def refuse() -> None:
    raise Refused("no")


def test_tasks_are_counted_and_timed(instrumented: ModuleType, wait_until: WaitUntil) -> None:
    gate = threading.Event()
    with ThreadPoolExecutor(2, thread_name_prefix="mail") as pool:
        tasks = [pool.submit(gate.wait) for _ in range(5)]
        wait_until(lambda: stats("mail").busy == 2)
        assert (stats("mail").workers, stats("mail").queue_length, stats("mail").live) == (2, 3, 1)
        tasks[-1].cancel()
        gate.set()
    found = stats("mail")
    assert (found.submitted, found.finished, found.busy, found.queue_length, found.workers) == (5, 4, 0, 0, 0)
    assert found.queue_duration.count == found.run_duration.count == 4
    assert found.run_duration.max > 0


def test_the_counts_are_exact(instrumented: ModuleType) -> None:
    with ThreadPoolExecutor(4, thread_name_prefix="exact") as pool:

        def submit() -> None:
            for task in [pool.submit(int) for _ in range(500)]:
                task.result()

        threads = [threading.Thread(target=submit) for _ in range(8)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    assert (stats("exact").submitted, stats("exact").finished) == (4000, 4000)


def test_an_executor_without_a_prefix_is_called_after_its_place(instrumented: ModuleType) -> None:
    class App:
        def __init__(self) -> None:
            self._pool = ThreadPoolExecutor(1)

    app = App()
    app._pool.submit(int).result()
    assert stats("App._pool").submitted == 1
    app._pool.shutdown()
    del app
    gc.collect()
    assert stats("App._pool").live == 0


def test_asyncio_uses_executors(instrumented: ModuleType) -> None:
    async def main() -> None:
        await asyncio.to_thread(int)
        await asyncio.get_running_loop().run_in_executor(None, int)

    asyncio.run(main())
    assert stats("asyncio").finished == 2


def test_an_executor_made_before_is_seen_when_it_is_used(core: ModuleType) -> None:
    from thread._observed.instrument import instrument, uninstrument

    with ThreadPoolExecutor(1, thread_name_prefix="older") as pool:
        instrument()
        pool.submit(int).result()
        uninstrument()
        pool.submit(int).result()
    assert (stats("older").submitted, stats("older").finished) == (1, 1)


def test_cancelled_queues_and_broken_pools_leave_nothing_behind(instrumented: ModuleType) -> None:
    gate = threading.Event()
    pool = ThreadPoolExecutor(1, thread_name_prefix="cancelled")
    for _ in range(4):
        pool.submit(gate.wait)
    pool.shutdown(wait=False, cancel_futures=True)
    gate.set()
    pool.shutdown()
    found = stats("cancelled")
    assert (found.submitted, found.finished, found.queue_length, found.busy) == (4, 1, 0, 0)
    broken = ThreadPoolExecutor(1, thread_name_prefix="broken", initializer=refuse)
    with pytest.raises(concurrent.futures.thread.BrokenThreadPool):
        broken.submit(int).result()
    broken.shutdown()
    found = stats("broken")
    assert (found.finished, found.queue_length, found.busy, found.workers) == (0, 0, 0, 0)


def test_an_exception_that_nobody_reads_is_recorded(telemetry: ModuleType, instrumented: ModuleType) -> None:
    instrumented.configure(listening=True)
    with ThreadPoolExecutor(1, thread_name_prefix="unread") as pool:
        concurrent.futures.wait([pool.submit(refuse)])
    gc.collect()
    assert stats("unread").unread_exceptions == 1
    [row] = snapshot().exceptions
    assert (row.type, row.target, row.count, row.source) == (f"{__name__}.Refused", f"{__name__}:refuse", 1, "future")
    assert 'raise Refused("no")' in row.last_traceback
    from thread._views.event_reader import read_events

    [event] = [event for event in read_events() if isinstance(event, UnhandledException)]
    assert (event.source, event.message.strip().endswith("no")) == ("future", True)


def test_an_exception_that_somebody_reads_is_not(instrumented: ModuleType) -> None:
    async def main() -> None:
        with pytest.raises(Refused):
            await asyncio.get_running_loop().run_in_executor(pool, refuse)

    with ThreadPoolExecutor(1, thread_name_prefix="read") as pool:
        with pytest.raises(Refused):
            pool.submit(refuse).result()
        assert isinstance(pool.submit(refuse).exception(), Refused)
        pool.submit(refuse).add_done_callback(Future.exception)
        asyncio.run(main())
        late = pool.submit(refuse)
        concurrent.futures.wait([late])
        with pytest.raises(Refused):
            late.result()
        del late
    gc.collect()
    assert (stats("read").finished, stats("read").unread_exceptions) == (5, 0)
    assert snapshot().exceptions == ()


def frames_of_a_failure() -> list[str]:
    with ThreadPoolExecutor(1) as pool:
        try:
            pool.submit(refuse).result()
        except Refused as error:
            return [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    raise AssertionError


def test_the_stack_trace_of_a_task_is_as_long_as_before(core: ModuleType) -> None:
    from thread._observed.instrument import instrument, uninstrument

    before = frames_of_a_failure()
    instrument()
    try:
        assert frames_of_a_failure() == before
    finally:
        uninstrument()


def test_nothing_is_kept_alive(instrumented: ModuleType) -> None:
    class Argument:
        pass

    def work(argument: Argument) -> None:
        raise Refused(argument)

    argument = Argument()
    pool = ThreadPoolExecutor(1, thread_name_prefix="kept")
    task = pool.submit(work, argument)
    concurrent.futures.wait([task])
    watched: list[weakref.ref[Any]] = [weakref.ref(each) for each in (argument, task, pool, work)]
    pool.shutdown()
    del argument, task, pool, work
    gc.collect()
    assert [reference() for reference in watched] == [None] * 4


def test_a_subclass_that_submits_in_its_own_way(instrumented: ModuleType) -> None:
    class Bounded(ThreadPoolExecutor):
        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
            return super().submit(lambda: fn(*args, **kwargs))

    with Bounded(1, thread_name_prefix="bounded") as pool:
        assert pool.submit(int, "3").result() == 3
    assert stats("bounded").finished == 1


def test_a_child_starts_from_zero(instrumented: ModuleType) -> None:
    with ThreadPoolExecutor(1, thread_name_prefix="parent") as pool:
        pool.submit(int).result()
        child = os.fork()
        if not child:
            os._exit(len(snapshot().executors))
        assert os.waitpid(child, 0)[1] == 0
    assert stats("parent").finished == 1
