"""`instrument` puts observed locks and threads into `threading`, `uninstrument` takes them out again."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from textwrap import dedent
from types import ModuleType

import pytest
from conftest import WaitUntil
from rows import target_rows

from thread._observed.instrument import instrument, uninstrument


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    before = dict(vars(threading))
    yield
    uninstrument()
    assert dict(vars(threading)) == before


def run(program: str) -> str:
    """Output of the program in an interpreter of its own that has not imported `threading` yet."""
    done = subprocess.run([sys.executable, "-c", dedent(program)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_locks_and_threads_are_observed_between_instrument_and_uninstrument(core: ModuleType) -> None:
    def work() -> None:
        pass

    def make() -> tuple[object, object]:
        worker = threading.Thread(target=work)
        worker.start()
        worker.join()
        return threading.Lock(), threading.RLock()

    instrument()
    lock, rlock = make()
    assert (type(lock), type(rlock)) == (core.LockType, core.RLock)
    uninstrument()
    lock, rlock = make()
    assert (type(lock), type(rlock)) != (core.LockType, core.RLock)
    assert [row.started for row in target_rows(core) if row.target.endswith("work")] == [1]


def test_twice_is_once() -> None:
    before = dict(vars(threading))
    instrument()
    instrument()
    uninstrument()
    assert dict(vars(threading)) == before
    uninstrument()
    assert dict(vars(threading)) == before


def test_what_others_have_replaced_since_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    def their_own_lock() -> None:
        pass

    instrument()
    with monkeypatch.context() as patch:
        patch.setattr(threading, "Lock", their_own_lock)
        uninstrument()
        assert vars(threading)["Lock"] is their_own_lock
    # Observed ones are back now, though nothing is instrumented; this must not be taken for the interpreter's.
    instrument()


def test_locks_of_before_and_after_work_together(core: ModuleType) -> None:
    old = threading.Condition(threading.Lock()), threading.Condition(threading.RLock())
    instrument()
    new = threading.Condition(threading.Lock()), threading.Condition(threading.RLock()), threading.Condition()
    answers = []

    def answer() -> None:
        for condition in *old, *new:
            with condition:
                answers.append(condition)
                condition.notify()

    for phase in instrument, uninstrument:
        phase()
        answers.clear()
        answering = threading.Thread(target=answer)
        for condition in *old, *new:
            condition.acquire()
        answering.start()
        for condition in *old, *new:
            assert condition.wait(10)
            condition.release()
        answering.join()
        assert answers == [*old, *new]


def test_the_bookkeeping_of_threading_itself_is_not_observed(core: ModuleType) -> None:
    output = run(
        """
        from thread import telemetry
        telemetry.instrument()
        import threading
        locks = telemetry.snapshot().locks
        print([(lock.name, lock.acquisitions) for lock in locks])
        """
    )
    assert output == "[]\n"


def test_threading_is_not_imported_before_the_program_does(core: ModuleType) -> None:
    output = run(
        """
        import sys
        from thread import telemetry
        from thread._backend import core
        finders = list(sys.meta_path)
        telemetry.instrument()
        telemetry.instrument()
        print("threading" in sys.modules, len(sys.meta_path) - len(finders))
        import threading
        print(type(threading.Lock()) is core.LockType, type(threading.RLock()) is core.RLock)
        print(type(threading.__loader__).__name__, threading.__spec__.loader is threading.__loader__)
        telemetry.uninstrument()
        print(type(threading.Lock()) is core.LockType, sys.meta_path == finders)
        """
    )
    assert output == "False 1\nTrue True\nSourceFileLoader True\nFalse True\n"


def test_uninstrument_before_threading_was_imported_leaves_nothing_behind() -> None:
    output = run(
        """
        import sys
        from thread import telemetry
        finders = list(sys.meta_path)
        telemetry.instrument()
        telemetry.uninstrument()
        print(sys.meta_path == finders)
        import threading, _thread
        print(threading._CRLock is _thread.RLock)
        """
    )
    assert output == "True\nTrue\n"


def test_greenlets_in_place_of_threads_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def allocate_lock() -> None:
        pass

    monkeypatch.setattr(threading, "_allocate_lock", allocate_lock)
    monkeypatch.setitem(sys.modules, "gevent", ModuleType("gevent"))
    monkeypatch.delitem(sys.modules, "eventlet", raising=False)
    before = dict(vars(threading))
    with pytest.raises(RuntimeError, match="expected its _allocate_lock to be the interpreter's, got .*gevent is"):
        instrument()
    assert dict(vars(threading)) == before


def test_greenlets_that_are_there_before_threading_do_not_spoil_its_import() -> None:
    output = run(
        """
        import _thread, sys, warnings
        from thread import telemetry
        telemetry.instrument()
        native = _thread.allocate_lock
        def allocate_lock():
            return native()
        allocate_lock.__module__ = "gevent.thread"
        _thread.allocate_lock = allocate_lock
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            import threading
        print(*[warning.message for warning in caught])
        print(threading._CRLock is _thread.RLock)
        """
    )
    assert output.startswith("cannot observe threading: expected its _allocate_lock to be the interpreter's")
    assert output.endswith("True\n")


def test_the_names_of_thread_itself_are_observed_and_restored_in_either_order_of_import(core: ModuleType) -> None:
    for imported in "import threading", "":
        output = run(
            f"""
            {imported}
            import _thread, sys
            before = dict(vars(_thread)), dict(vars(sys.modules.get("threading", _thread)))
            from thread import telemetry
            from thread._backend import core
            telemetry.instrument()
            import threading
            print(type(_thread.allocate_lock()) is core.LockType is _thread.LockType, _thread.RLock is core.RLock)
            print(_thread.start_new_thread is core.start_new_thread)
            print(threading._allocate_lock is before[0]["allocate_lock"])
            print(type(threading._active_limbo_lock) in (before[0]["LockType"], before[0]["RLock"]))
            telemetry.uninstrument()
            print(dict(vars(_thread)) == before[0])
            natives = list(before[0].values())
            print(all(vars(threading)[name] in natives for name in ("Lock", "_CRLock", "_allocate_lock")))
            if "{imported}":
                assert dict(vars(threading)) == before[1]
            """
        )
        assert output == "True True\n" + "True\n" * 5


def test_what_others_have_replaced_in_thread_since_stays(core: ModuleType) -> None:
    output = run(
        """
        import _thread
        from thread import telemetry
        telemetry.instrument()
        observed = _thread.allocate_lock
        def theirs():
            return observed()
        _thread.allocate_lock = theirs
        telemetry.uninstrument()
        print(_thread.allocate_lock is theirs, theirs().acquire(), _thread.RLock.__init__ is not None)
        """
    )
    assert output == "True True True\n"


def test_threads_blocked_at_the_switch_are_released_after_it(core: ModuleType, wait_until: WaitUntil) -> None:
    for phase, made_observed in (instrument, False), (uninstrument, True):
        if made_observed:
            instrument()
        lock, rlock, condition = threading.Lock(), threading.RLock(), threading.Condition()
        permits, event, barrier = threading.Semaphore(0), threading.Event(), threading.Barrier(2)
        rlock_is_free, ended = threading.Event(), []

        def wait_in_condition(condition: threading.Condition = condition) -> None:
            with condition, condition:
                condition.wait(10)

        waits = [lock.acquire, permits.acquire, event.wait, barrier.wait, wait_in_condition, rlock_is_free.wait]

        def end_after(wait: Callable[[], object], ended: list[object] = ended) -> None:
            wait()
            ended.append(wait)

        blocked = [threading.Thread(target=end_after, args=(wait,)) for wait in waits]
        with lock, rlock:
            for thread in blocked:
                thread.start()
            wait_until(lambda condition=condition: condition._waiters)
            wait_until(lambda permits=permits: permits._cond._waiters)
            phase()
        permits.release()
        event.set()
        rlock_is_free.set()
        with condition:
            condition.notify_all()
        barrier.wait(10)
        for thread in blocked:
            thread.join(10)
        assert len(ended) == len(waits)
        uninstrument()


def test_a_module_that_is_looked_for_but_not_imported_shows_its_own_loader(core: ModuleType) -> None:
    output = run(
        """
        import importlib.util, sys
        from thread import telemetry
        telemetry.instrument()
        loader = importlib.util.find_spec("queue").loader
        print("queue" in sys.modules, loader.is_package("queue"), loader.get_code("queue").co_name)
        print("class Queue" in loader.get_source("queue"), hasattr(loader, "get_nothing"))
        import runpy
        print(runpy.run_module("queue")["Queue"].__name__)
        import queue
        print(type(queue.__loader__).__name__, type(queue.__spec__.loader).__name__)
        """
    )
    assert output == "False False <module>\nTrue False\nQueue\nSourceFileLoader SourceFileLoader\n"
