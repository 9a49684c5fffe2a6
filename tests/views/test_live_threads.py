from __future__ import annotations

import os
import sys
import threading
import time
from _thread import get_ident, get_native_id
from collections.abc import Callable, Iterator
from types import ModuleType

import pytest
from conftest import WaitUntil
from programs import output_of

from thread._process.flags import Flag
from thread._process.own_threads import start_own_thread
from thread._views.live_threads import RawLiveThread, cpu_time_ns, read_live_threads

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such clocks")

Park = Callable[..., int]


@pytest.fixture
def park(core: ModuleType, wait_until: WaitUntil) -> Iterator[Park]:
    """Starts an observed thread that lives until the end of the test; returns its ident."""
    done = Flag()

    def park(prepare: Callable[[], object] = lambda: None, **options: str) -> int:
        parked = []

        def wait() -> None:
            prepare()
            parked.append(get_ident())
            done.wait(30)

        core.start_new_thread(wait, (), **options)
        wait_until(lambda: parked)
        return parked[0]

    yield park
    done.set()
    wait_until(lambda: not core.read_live_threads())


def row_of(ident: int) -> RawLiveThread:
    return next(row for row in read_live_threads() if row.ident == ident)


def test_the_main_thread_is_always_there(core: ModuleType) -> None:
    (main,) = read_live_threads()
    assert (main.ident, main.target, main.name) == (threading.main_thread().ident, "main", "MainThread")
    assert (main.daemon, main.started_ns, main.wait) == (False, None, None)
    assert main.native_id == threading.main_thread().native_id


def test_it_is_there_without_threading() -> None:
    assert output_of(
        """
        import sys, _thread
        from thread._views.live_threads import read_live_threads
        (main,) = read_live_threads()
        print(main.ident == _thread.get_ident(), main.native_id == _thread.get_native_id(), main.name, main.daemon)
        print("threading" in sys.modules)
        """
    ) == ["True True main None", "False"]


def test_an_observed_thread_has_its_target(core: ModuleType, park: Park) -> None:
    before = core.monotonic_ns()
    row = row_of(park(name="refresher"))
    assert row.target == row.name == "refresher"
    assert row.daemon is None
    assert before <= (row.started_ns or 0) <= core.monotonic_ns()


def test_a_thread_of_threading_has_its_name(park: Park) -> None:
    def register() -> None:
        thread = threading.Thread(name="Refresher-1", daemon=True)
        threading._active[get_ident()] = thread  # type: ignore[attr-defined]

    ident = park(register)
    try:
        row = row_of(ident)
        assert (row.name, row.daemon) == ("Refresher-1", True)
        assert "park" in row.target
    finally:
        del threading._active[ident]  # type: ignore[attr-defined]


def test_what_threading_makes_up_is_no_name(park: Park) -> None:
    row = row_of(park(lambda: threading.current_thread()))
    assert (row.name, row.daemon) == (row.target, None)


def test_no_code_of_the_program_runs(park: Park) -> None:
    class Tricky(threading.Thread):
        @property
        def name(self) -> str:  # type: ignore[override]
            raise AssertionError("called")

        daemon = native_id = name  # type: ignore[assignment]

    ident = park()
    thread = object.__new__(Tricky)
    thread.__dict__.update(_name="Tricky-1", _daemonic=False)
    threading._active[ident] = thread  # type: ignore[attr-defined]
    try:
        assert (row_of(ident).name, row_of(ident).daemon) == ("Tricky-1", False)
    finally:
        del threading._active[ident]  # type: ignore[attr-defined]


def test_reading_makes_nothing_up(park: Park) -> None:
    park()
    before = threading.enumerate()
    read_live_threads()
    assert threading.enumerate() == before


def test_our_own_threads_are_not_there(core: ModuleType) -> None:
    arrived, done = Flag(), Flag()
    start_own_thread(lambda: arrived.set() or done.wait(30))
    try:
        assert arrived.wait(10)
        assert [row.target for row in read_live_threads()] == ["main"]
    finally:
        done.set()


def test_a_thread_that_waits_tells_for_what_and_for_whom(core: ModuleType, wait_until: WaitUntil) -> None:
    guard = core.allocate_lock(name="guard")
    waiter = []

    def wait() -> None:
        waiter.append(get_ident())
        guard.acquire()

    before = core.monotonic_ns()
    with guard:
        core.start_new_thread(wait, ())
        wait_until(lambda: core.read_current_waits())
        wait = row_of(waiter[0]).wait
        assert wait is not None
        assert (wait.lock, wait.owner) == ("guard", get_ident())
        assert before <= wait.since_ns <= core.monotonic_ns()
    wait_until(lambda: not core.read_live_threads())


def test_so_does_one_that_was_not_started_under_observation(core: ModuleType, wait_until: WaitUntil) -> None:
    guard = core.allocate_lock(name="guard")
    with guard:
        thread = threading.Thread(target=guard.acquire, name="Old-1")
        thread.start()
        wait_until(lambda: core.read_current_waits())
        row = row_of(thread.ident or 0)
        assert (row.target, row.name, row.daemon, row.started_ns) == ("unknown", "Old-1", False, None)
        assert row.native_id == thread.native_id
        assert row.wait is not None
    thread.join()
    assert [row.target for row in read_live_threads()] == ["main"]


@on_linux
def test_cpu_time_is_that_of_the_thread(park: Park) -> None:
    def burn() -> None:
        deadline = time.thread_time() + 0.03
        while time.thread_time() < deadline:
            pass

    busy = row_of(park(burn))
    idle = row_of(park())
    assert 30_000_000 <= (busy.cpu_time_ns or 0)
    assert 0 < (idle.cpu_time_ns or 0) < 30_000_000
    before = time.thread_time_ns()
    assert before <= (row_of(get_ident()).cpu_time_ns or 0) <= time.thread_time_ns()


@on_linux
def test_the_clock_is_the_one_that_the_system_names() -> None:
    assert cpu_time_ns(get_native_id()) == pytest.approx(
        time.clock_gettime_ns(time.pthread_getcpuclockid(get_ident())), abs=50_000_000
    )


@on_linux
def test_a_thread_that_has_ended_has_no_clock(wait_until: WaitUntil) -> None:
    native_ids: list[int] = []
    start_own_thread(lambda: native_ids.append(get_native_id()))
    wait_until(lambda: native_ids)
    wait_until(lambda: cpu_time_ns(native_ids[0]) is None)
    assert cpu_time_ns(0) is None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_in_a_child_the_thread_that_forked_is_the_main_thread() -> None:
    assert output_of(
        """
        import os, time, _thread
        import thread
        from thread import telemetry
        from thread._views.live_threads import read_live_threads

        def fork():
            pid = os.fork()
            if pid == 0:
                rows = read_live_threads()
                (row,) = rows
                print(row.ident == _thread.get_ident(), row.native_id == _thread.get_native_id() == os.getpid())
                print(row.target, row.cpu_time_ns is not None, flush=True)
                os._exit(0)
            os.waitpid(pid, 0)
            done.release()

        done = _thread.allocate_lock()
        done.acquire()
        thread.start_new_thread(fork, (), name="forker")
        done.acquire()
        """
    ) == ["True True", "forker True"]
