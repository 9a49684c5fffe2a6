"""`instrument` puts observed locks and threads into `threading`, `uninstrument` takes them out again."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from textwrap import dedent
from types import ModuleType

import pytest

from thread._instrument import instrument, uninstrument


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    before = dict(vars(threading))
    yield
    uninstrument()
    assert dict(vars(threading)) == before


def run(program: str) -> str:
    """What the program prints in an interpreter of its own, that has not imported `threading` yet."""
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
    assert [started for target, started, *_ in core.read_threads() if target.endswith("work")] == [1]


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
        print(sys.meta_path == finders, type(threading.__loader__).__name__)
        print(threading.__spec__.loader is threading.__loader__)
        telemetry.uninstrument()
        print(type(threading.Lock()) is core.LockType)
        """
    )
    assert output == "False 1\nTrue True\nTrue SourceFileLoader\nTrue\nFalse\n"


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
        _thread.allocate_lock = allocate_lock
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            import threading
        print(*[warning.message for warning in caught])
        print(threading._CRLock is _thread.RLock, any("thread" in repr(finder) for finder in sys.meta_path))
        """
    )
    assert output.startswith("cannot observe threading: expected its _allocate_lock to be the interpreter's")
    assert output.endswith("True False\n")


@pytest.mark.parametrize(("library", "patch"), [("gevent.monkey", "patch_all"), ("eventlet", "monkey_patch")])
def test_a_patched_threading_is_refused(library: str, patch: str) -> None:
    pytest.importorskip(library)
    output = run(
        f"""
        import warnings
        warnings.simplefilter("ignore")
        from {library} import {patch}
        {patch}()
        from thread import telemetry
        try:
            telemetry.instrument()
        except RuntimeError as error:
            print(error)
        """
    )
    assert f"{library.partition('.')[0]} is loaded" in output
