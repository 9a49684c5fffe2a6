"""Exceptions of signal handlers are told apart from internal errors, and come at no moment that would break a lock."""

from __future__ import annotations

import _thread
import signal
import threading
from collections.abc import Callable, Iterator
from functools import partial
from itertools import repeat
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from thread._base import code_origin
from thread._base.interruptions import is_interruption
from thread._base.uninterrupted import entered_at_once, steps_of


class Interruption(Exception):
    pass


def raise_it(signum: int, frame: FrameType | None) -> None:
    raise Interruption


def raise_a_builtin(signum: int, frame: FrameType | None) -> None:
    raise ValueError


def forget_the_frame(signum: int, frame: FrameType | None) -> None:
    del frame
    raise Interruption


def put_back_and_raise(signum: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    raise Interruption


class Handler:
    def __call__(self, *arguments: object) -> None:
        raise Interruption

    def method(self, *arguments: object) -> None:
        self(*arguments)


HANDLERS = [raise_it, raise_a_builtin, forget_the_frame, put_back_and_raise, Handler(), Handler().method]


@pytest.fixture
def handled() -> Iterator[None]:
    before = signal.getsignal(signal.SIGUSR1)
    yield
    signal.signal(signal.SIGUSR1, before)


def raised_by(function: Callable[[], object]) -> BaseException:
    with pytest.raises(BaseException) as caught:
        function()
    error: BaseException = caught.value
    return error


def interrupted_code(body: str, **names: object) -> Callable[[], object]:
    """A function that runs as code of the telemetry."""
    namespace: dict[str, Any] = dict(names)
    exec(compile(f"def function():\n    {body}", code_origin.OWN_FOLDER + "made.py", "exec"), namespace)
    function: Callable[[], object] = namespace["function"]
    return function


@pytest.mark.parametrize("handler", [*HANDLERS, partial(lambda *arguments: raise_it(1, None), 1)])
def test_what_a_signal_handler_raises_is_an_interruption(handler: Any, handled: None) -> None:
    signal.signal(signal.SIGUSR1, handler)
    error = raised_by(interrupted_code("kill()", kill=partial(signal.raise_signal, signal.SIGUSR1)))
    assert is_interruption(error)


def test_a_handler_that_interrupts_a_library_which_the_telemetry_calls_is_known_too(handled: None) -> None:
    signal.signal(signal.SIGUSR1, raise_it)

    def key(_: object) -> None:
        signal.raise_signal(signal.SIGUSR1)

    assert is_interruption(raised_by(interrupted_code("sorted([1, 2], key=key)", key=key)))


@pytest.mark.parametrize("body", ["1 / 0", "{}['x']", "None.x", "fail()", "raise RuntimeError", "raise MemoryError"])
def test_a_fault_is_none(body: str, handled: None) -> None:
    signal.signal(signal.SIGUSR1, raise_it)

    def fail() -> None:
        raise Interruption

    assert not is_interruption(raised_by(interrupted_code(body, fail=fail)))


@pytest.mark.parametrize("exception", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_is_no_exception_was_meant_for_the_program(exception: type[BaseException]) -> None:
    assert is_interruption(exception())


def test_what_another_thread_raises_in_this_one_was_meant_for_the_program() -> None:
    assert is_interruption(raised_by(interrupted_code("raise exception", exception=Interruption)))
    assert is_interruption(raised_by(interrupted_code("raise exception", exception=TimeoutError)))


def test_a_function_entered_at_once_makes_its_first_call_before_a_signal_handler_runs(handled: None) -> None:
    done: set[int] = set()

    @entered_at_once
    def function(result: object) -> None:
        done.add(1)

    signal.signal(signal.SIGUSR1, raise_it)
    for _ in range(200):
        done.clear()
        with pytest.raises(Interruption):
            # The handler runs at the first look for signals after the step.
            for raised in map(_thread.interrupt_main, (signal.SIGUSR1,)):
                function(raised)
                break
        assert done == {1}


def test_steps_call_again_and_again() -> None:
    counter = iter(range(10))
    steps = steps_of(next, counter)
    assert [next(steps), next(steps)] == [0, 1]
    assert next(steps_of(threading.get_ident)) == threading.get_ident()
    assert repeat is not steps


def test_the_modules_that_may_not_be_interrupted_say_so() -> None:
    folder = Path(code_origin.OWN_FOLDER) / "_core_py"
    source = "".join((folder / f"_{name}.py").read_text() for name in ("acquiring", "locks", "rlocks"))
    for name in ("release", "__exit__", "_release", "_give_back", "_acquire_restore"):
        before, _, _ = source.partition(f"    def {name}(")
        assert before.rstrip().endswith("@entered_at_once"), name
