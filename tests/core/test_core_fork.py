"""A child after fork starts from zero and works, whatever the parent's threads were doing."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from types import ModuleType

import pytest
from rows import lock_row, target_rows

import thread

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning"),
]


def in_child(check: Callable[[], object]) -> None:
    """Run `check` in a forked child; fail with what it raised there."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        message = b""
        try:
            check()
        except BaseException as error:
            message = repr(error).encode()
        os.write(writing, message)
        os._exit(bool(message))
    os.close(writing)
    with os.fdopen(reading, "rb") as told:
        message = told.read()
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0, message.decode()


def acquisitions(core: ModuleType, name: str) -> int:
    return lock_row(core, name).acquisitions


def test_a_child_counts_from_zero(core: ModuleType) -> None:
    lock = thread.allocate_lock(name="forked")
    for _ in range(5):
        with lock:
            pass

    def check() -> None:
        assert acquisitions(core, "forked") == 0
        with lock:
            pass
        assert acquisitions(core, "forked") == 1

    in_child(check)
    assert acquisitions(core, "forked") == 5


def test_a_child_forgets_the_waits_of_its_parents_threads(core: ModuleType) -> None:
    lock = thread.allocate_lock(name="contended")

    def take() -> None:
        with lock:
            pass

    threads = [threading.Thread(target=take) for _ in range(3)]
    with lock:
        for each in threads:
            each.start()
        while len(core.read_current_waits()) < 3:
            time.sleep(0.001)

        def check() -> None:
            assert core.read_current_waits() == []
            lock.release()
            waiter = threading.Thread(target=take)
            with lock:
                waiter.start()
                while not core.read_current_waits():
                    time.sleep(0.001)
            waiter.join(30)
            assert not waiter.is_alive()
            assert acquisitions(core, "contended") == 2

        in_child(check)
    for each in threads:
        each.join(60)
    assert acquisitions(core, "contended") == 4


def test_a_child_lists_no_thread_but_its_own(core: ModuleType) -> None:
    stop = thread.allocate_lock()
    stop.acquire()
    thread.start_new_thread(stop.acquire, (), name="left behind")
    while not core.read_live_threads():
        time.sleep(0.001)

    def check() -> None:
        assert core.read_live_threads() == []
        assert all(row.started == row.finished == 0 for row in target_rows(core))

    in_child(check)
    stop.release()
    while core.read_live_threads():
        time.sleep(0.001)


def test_forking_under_contention_never_hangs_the_child(core: ModuleType) -> None:
    lock = thread.allocate_lock(name="busy")
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            with lock:
                time.sleep(0)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for each in threads:
        each.start()

    def check() -> None:
        lock._at_fork_reinit()
        for _ in range(10):
            with lock:
                pass
        assert acquisitions(core, "busy") == 10

    try:
        for _ in range(30):
            in_child(check)
    finally:
        stop.set()
        for each in threads:
            each.join(60)


def test_events_of_the_parent_are_not_the_childs(core: ModuleType) -> None:
    core.push_event(("parent",))

    def check() -> None:
        assert core.take_events() == []
        assert core.dropped_events() == 0
        core.push_event(("child",))
        assert core.wait_for_events(0)

    in_child(check)
    assert core.take_events() == [("parent",)]
