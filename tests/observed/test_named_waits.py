"""Waits for what the methods of a named object make anew for each wait, as pools of connections do."""

from __future__ import annotations

import gc
import importlib
import queue
import sys
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from types import ModuleType
from typing import Any
from weakref import ref

import pytest

from thread.telemetry import named, snapshot

WAIT = 0.05

LIBRARY = """
import queue, threading
from collections import deque
from concurrent.futures import Future, TimeoutError, as_completed, wait
from contextlib import contextmanager

class ByCondition:
    __slots__ = ("_condition",)
    def __init__(self):
        self._condition = threading.Condition()
    def wait(self, timeout):
        with self._condition:
            self._condition.wait(timeout)

def by_event(timeout):
    threading.Event().wait(timeout)

def by_queue(timeout):
    try:
        queue.Queue().get(timeout=timeout)
    except queue.Empty:
        pass

def by_future(timeout):
    try:
        Future().result(timeout)
    except TimeoutError:
        pass

def by_futures(timeout):
    try:
        list(as_completed([Future()], timeout))
    except TimeoutError:
        pass

def by_wait(timeout):
    wait([Future()], timeout)

class Pool:
    def __init__(self):
        self._lock = threading.Lock()

    @contextmanager
    def connection(self, how, timeout):
        yield self.get(how, timeout)

    def get(self, how, timeout):
        if how == "condition":
            ByCondition().wait(timeout)
        else:
            (lambda: self and globals()["by_" + how](timeout))()

def work():
    threading.Event().wait(0.02)

def close():
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()

class PoolOfQueue:
    def __init__(self):
        self._free = queue.SimpleQueue()
    def get(self, timeout):
        try:
            self._free.get(timeout=timeout)
        except queue.Empty:
            pass

class Facade:
    def __init__(self):
        self.pool = Pool()
    def fetch(self, how, timeout):
        with self.pool.connection(how, timeout):
            pass
"""
"""The methods of a pool that wait, each in another way. `get` has `self` in a cell."""

WAYS = {
    "condition": "condition",
    "event": "event",
    "queue": "queue",
    "future": "future",
    "futures": "future",
    "wait": "future",
}


@pytest.fixture(scope="module")
def site_packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the library. Places keep their names, so that it is the same for all tests."""
    folder = tmp_path_factory.mktemp("installed") / "site-packages"
    (folder / "pools_of_this_test").mkdir(parents=True)
    (folder / "pools_of_this_test" / "__init__.py").write_text(LIBRARY)
    return folder


@pytest.fixture
def library(instrumented: ModuleType, site_packages: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A library of connection pools, installed and imported."""
    monkeypatch.syspath_prepend(site_packages)
    yield importlib.import_module("pools_of_this_test")
    del sys.modules["pools_of_this_test"]


def waits() -> list[tuple[str, str, str]]:
    return [(row.kind, row.name, row.site.function.rpartition(".")[2]) for row in snapshot().blocking]


def login(pool: Any, how: str) -> None:
    with pool.connection(how, WAIT):
        pass


@pytest.mark.parametrize("how", WAYS)
def test_what_a_pool_makes_for_each_wait_goes_by_its_name(how: str, library: Any) -> None:
    login(named(library.Pool(), "orders"), how)
    assert waits() == [(WAYS[how], "orders", "login")]


def test_the_parts_of_what_is_named_go_by_its_name(library: Any) -> None:
    named(library.Facade(), "orders").fetch("condition", WAIT)
    [(_, name, site)] = waits()
    assert (name, site) == ("orders", "test_the_parts_of_what_is_named_go_by_its_name")


def test_a_simple_queue_has_a_name_too(library: Any, instrumented: ModuleType) -> None:
    if instrumented.NAME == "python":
        pytest.skip("waits for it are seen by the C core alone")
    named(library.PoolOfQueue(), "orders").get(WAIT)
    with pytest.raises(queue.Empty):
        named(queue.SimpleQueue(), "jobs").get(timeout=WAIT)
    function = "test_a_simple_queue_has_a_name_too"
    assert sorted(waits()) == [("queue", "jobs", function), ("queue", "orders", function)]


def test_a_thread_of_a_library_is_waited_for_by_its_caller(library: Any) -> None:
    library.close()
    sites = {kind: site for kind, _, site in waits()}
    assert sites == {"join": "test_a_thread_of_a_library_is_waited_for_by_its_caller", "event": "work"}


def test_each_pool_has_its_own_name(library: Any) -> None:
    for name in ("orders", "users"):
        login(named(library.Pool(), name), "condition")
    login(library.Pool(), "condition")
    names = sorted(name for _, name, _ in waits())
    assert names == ["orders", "pools_of_this_test:ByCondition._condition", "users"]


def test_a_later_name_takes_the_place_of_an_earlier_one(library: Any) -> None:
    pool = named(library.Pool(), "orders")
    login(named(pool, "users"), "event")
    assert [name for _, name, _ in waits()] == ["users"]


def test_what_was_given_another_name_keeps_it(library: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ready = named(threading.Event(), "ready")
    monkeypatch.setattr(library, "by_event", ready.wait)
    login(named(library.Pool(), "orders"), "event")
    assert [name for _, name, _ in waits()] == ["ready"]


class Waiter:
    def __init__(self) -> None:
        self._condition = threading.Condition()

    def wait(self) -> None:
        with self._condition:
            self._condition.wait(WAIT)


class PoolOfTheProgram:
    """As programs write them."""

    def __init__(self, library: Any = None) -> None:
        self._guard = threading.Lock()
        self._waiting: deque[Any] = deque()
        self._others: Any = library and library.Pool()
        self._ready = [threading.Event()]
        self.next: Any = None

    def by_event(self) -> None:
        event = threading.Event()
        event.wait(WAIT)

    def by_future(self) -> None:
        future: Future[None] = Future()
        with pytest.raises(TimeoutError):
            future.result(WAIT)

    def by_waiter(self) -> None:
        waiter = Waiter()
        self._waiting.append(waiter)
        waiter.wait()

    def by_part(self) -> None:
        self._ready[0].wait(WAIT)

    def in_the_next(self) -> None:
        self.next._ready[0].wait(WAIT)

    def in_a_library(self) -> None:
        login(self._others, "condition")

    def for_jobs(self, jobs: queue.Queue[int]) -> None:
        with pytest.raises(queue.Empty):
            jobs.get(timeout=WAIT)


@pytest.mark.parametrize("how", ["by_event", "by_future", "by_waiter", "by_part"])
def test_a_pool_of_the_program_gives_its_name_to_what_it_makes_and_keeps(how: str, instrumented: ModuleType) -> None:
    getattr(named(PoolOfTheProgram(), "orders"), how)()
    assert [name for _, name, _ in waits()] == ["orders"]


def test_what_others_made_does_not_go_by_the_name_of_whoever_waits(library: Any) -> None:
    pool = named(PoolOfTheProgram(library), "orders")
    pool.next = PoolOfTheProgram()
    pool.in_the_next()
    pool.in_a_library()
    pool.for_jobs(queue.Queue())
    names = [name for _, name, _ in waits()]
    assert len(names) == 3
    assert "orders" not in names


def test_what_is_named_is_not_kept_alive(library: Any) -> None:
    pool = named(library.Pool(), "orders")
    login(pool, "condition")
    reference = ref(pool)
    del pool
    gc.collect()
    assert reference() is None


class Worker:
    def __init__(self) -> None:
        self._guard = threading.Lock()

    def let_go(self) -> object:
        job = PoolOfTheProgram()
        reference = ref(job)
        threading.Event().wait(WAIT)
        del job
        return reference()


def test_nor_are_the_variables_of_its_methods(instrumented: ModuleType) -> None:
    if instrumented.NAME == "python" and sys.version_info < (3, 13):
        pytest.skip("the interpreter copies them for Python code")
    worker = named(Worker(), "worker")
    assert worker.let_go() is None
    assert [name for _, name, _ in waits()] == ["worker"]


def argument_of(function: Any, *arguments: object) -> object:
    """The core's first argument of a function that returns a frame of its own."""
    import thread._backend

    return thread._backend.core.first_argument(function(*arguments))


def test_the_first_argument_of_a_frame(core: ModuleType) -> None:
    def plain(first: object, second: object) -> object:
        return sys._getframe()

    def captured(first: object) -> object:
        return (lambda: first) and sys._getframe()

    def deleted(first: object) -> object:
        del first
        return sys._getframe()

    def several(*first: object) -> object:
        return sys._getframe()

    assert argument_of(plain, "first", 2) == "first"
    assert argument_of(captured, "first") == "first"
    assert argument_of(deleted, "first") is None
    assert argument_of(several, "first") is None
    with pytest.raises(TypeError, match="expected a frame, got int"):
        core.first_argument(1)
