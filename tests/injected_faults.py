"""Runs a program of everything that is observed, once for each internal function that it reaches: that function raises.

Prints the functions whose fault reached the program, or was not counted, one in a line. Each run is a child process of
its own, forked from one that has imported everything, and ends by itself after some seconds.
"""

from __future__ import annotations

import concurrent.futures
import gc
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any

from thread import telemetry
from thread._backend import core
from thread._interruptions import faults_below_the_core

OWN = str(Path(telemetry.__file__).parent) + os.sep

ITSELF = {"Recorder.snapshot", "Counter.value", "faults_below_the_core"}
"""What makes a snapshot, and what this program counts with."""

GUARDS = {"is_fault", "is_interruption", "count_fault", "_frames_of", "_is_of_an_instruction", "_guarded", "guarded"}
"""What counts a fault cannot count its own."""


class Injected(ArithmeticError):
    __module__ = "builtins"  # As an instruction of ours would raise it, and no signal handler of a program.


class Refused(Exception):
    pass


def refuse() -> None:
    raise Refused


class Pool:
    """Makes something new for each wait, as pools of connections do."""

    def __init__(self) -> None:
        self.guard = threading.Lock()
        self.waiting = [threading.Event()]

    def wait(self) -> bool:
        return threading.Event().wait(0.001) or self.waiting[0].wait(0.001)


def use_everything() -> list[Any]:
    """What a program sees of all that is observed; the same each time, observed or not."""
    found: list[Any] = []
    threading.excepthook = lambda arguments: found.append(arguments.exc_type.__name__)

    def run(*targets: Callable[[], object]) -> None:
        threads = [threading.Thread(target=target) for target in targets]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
            found.append(thread.is_alive())

    lock, rlock, permit = threading.Lock(), threading.RLock(), threading.Semaphore(1)
    condition, event, barrier = threading.Condition(), threading.Event(), threading.Barrier(2)
    items: queue.Queue[int] = queue.Queue(1)
    simple: queue.SimpleQueue[int] = queue.SimpleQueue()
    ready: list[int] = []

    def contend(mutex: Any) -> None:
        with mutex:
            run(lambda: found.append(mutex.acquire(timeout=0.004)))

    for mutex in lock, rlock, permit:
        contend(mutex)
        found.append(mutex.acquire(False))
        mutex.release()

    def wait_for_it() -> None:
        with condition:
            found.append(condition.wait_for(lambda: ready, 20) == [1])

    def tell() -> None:
        time.sleep(0.002)
        items.put(1)
        items.put(2)
        simple.put(3)
        event.set()
        with condition:
            ready.append(1)
            condition.notify_all()

    run(wait_for_it, tell, lambda: found.append(items.get() + items.get()))
    found.extend((simple.get(), event.wait(20)))
    run(lambda: found.append(barrier.wait(20) < 2), lambda: found.append(barrier.wait(20) < 2))
    run(refuse)
    found.append(telemetry.named(Pool(), "pool").wait())
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        found.append(pool.submit(int, "7").result(20))
        found.append(type(pool.submit(refuse).exception(20)).__name__)
        dropped = pool.submit(refuse)
        concurrent.futures.wait([dropped], 20)
        del dropped
        try:
            pool.submit(refuse).result(20)
        except Refused:
            found.append("refused")
        time.sleep(0.004)
    return found


def observed() -> list[Any]:
    telemetry.instrument()
    core.configure(listening=True, slow_wait_ns=1_000_000, hold_sampling=1)
    found = use_everything()
    gc.collect()
    snapshot = telemetry.snapshot()
    telemetry.uninstrument()
    found.append(type(snapshot).__name__)
    return sorted(map(str, found))


def is_meant(filename: str) -> bool:
    return filename.startswith(OWN) and not filename.startswith(f"{OWN}_core_py{os.sep}")


def reached_functions() -> list[CodeType]:
    """The code of the internal functions that are called by nobody but our own code.

    Those of the twin are left out: many of them are the lock itself, as functions of C are in the other core.
    """
    callers: dict[CodeType, set[bool]] = {}

    def note(frame: FrameType, event: str, argument: object) -> None:
        code = frame.f_code
        if event == "call" and is_meant(code.co_filename) and not code.co_name.startswith("<"):
            caller = frame.f_back
            ours = caller is not None and caller.f_code.co_filename.startswith(OWN)
            callers.setdefault(code, set()).add(ours)

    threading.setprofile(note)
    sys.setprofile(note)
    observed()
    sys.setprofile(None)
    threading.setprofile(None)
    internal = [code for code, ours in callers.items() if ours == {True}]
    return [code for code in internal if code.co_name not in GUARDS and code.co_qualname not in ITSELF]


def raiser(free: int) -> CodeType:
    """The code of a function with so many free variables that raises."""
    names = [f"v{number}" for number in range(free)]
    cells = "".join([f"    {name} = 0\n" for name in names])
    body = f"        [{', '.join(names)}]\n        __import__('builtins').injected()\n"
    source = f"def outer():\n{cells}    def function(*args, **kwargs):\n{body}    return function\n"
    namespace: dict[str, Any] = {}
    exec(compile(source, OWN + "injected", "exec"), namespace)
    code: CodeType = namespace["outer"]().__code__
    return code


def inject(code: CodeType) -> None:
    raising = raiser(len(code.co_freevars))
    for each in gc.get_objects():
        if type(each) is FunctionType and each.__code__ is code:
            each.__code__ = raising


def faults() -> int:
    return core.faults() + faults_below_the_core()


def outcome_of(code: CodeType, usual: list[Any]) -> str:
    """Runs in a child. Empty where all is as usual."""
    import builtins

    hits: list[int] = []

    def injected() -> None:
        hits.append(1)
        raise Injected

    # As if it stood in our own file, where an instruction raises it.
    injected.__code__ = injected.__code__.replace(co_filename=OWN + "injected")
    builtins.injected = injected  # type: ignore[attr-defined]
    before = faults()
    inject(code)
    try:
        found = observed()
    except BaseException as error:
        return f"raised {error!r}" if hits else ""
    if not hits:
        return ""
    if found != usual:
        return f"found {found}, not {usual}"
    return "" if faults() > before else "was not counted"


def outcome_in_child(code: CodeType, usual: list[Any]) -> str:
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        devnull = os.open(os.devnull, os.O_WRONLY)
        if "--verbose" not in sys.argv:
            os.dup2(devnull, 2)
        os.write(write_end, outcome_of(code, usual).encode())
        os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as pipe:
        outcome = pipe.read().decode()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return outcome or (f"ended with {status}" if status else "")


def main() -> None:
    codes = reached_functions()
    usual = observed()
    core.reset()
    for code in codes:
        outcome = outcome_in_child(code, usual)
        if outcome:
            print(f"{Path(code.co_filename).name}:{code.co_qualname}: {outcome}", flush=True)
    print(len(codes), "functions")


if __name__ == "__main__":
    main()
