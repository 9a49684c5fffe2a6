"""Runs a program of everything that is observed, once for each internal function that it reaches: that function raises.

Prints the functions whose fault reached the program, or was not counted, one in a line. Each run is a child process of
its own, forked from one that has imported everything, and ends by itself after some seconds. Some run at a time, since
most of what they do is to wait.
"""

from __future__ import annotations

import ast
import concurrent.futures
import gc
import importlib
import os
import queue
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any

from thread import telemetry
from thread._backend import core
from thread._base.interruptions import internal_errors_below_the_core

OWN = str(Path(telemetry.__file__).parent) + os.sep

ITSELF = {"Recorder.snapshot", "Counter.value", "internal_errors_below_the_core"}
"""Functions that make a snapshot, and the counters of this program."""

GUARDS = {
    *("is_internal_error", "is_interruption", "count_internal_error", "_frames_of", "_is_of_an_instruction", "guarded"),
}
"""Functions that count a fault cannot count their own."""

LOCKS = {
    *("_new_lock", "checked_name", "Mutex._initialize", "Queue.__init__", "Totals.__init__"),
    *("checked_timeout", "Mutex._acquire", "acquire_contended", "_wait_in_steps", "_wait_for_raw", "Mutex._give_back"),
    *("RLock._enter_again", "RLock._reacquire", "Mutex._release", "Mutex._unlock"),
}
"""Functions that make, acquire and release the twin's locks. Without them there are no locks."""

STARTS = {
    *("_is_passed_on", "ThreadRecord.__init__", "_started", "ThreadRecord.abandon"),
    *("_print_unraisable", "_run_untracked"),
}
"""Functions that start and run the twin's threads, and report the exceptions that end them."""

BORDERS = {
    *("identity_created", "Mutex._record_acquisition", "Mutex._charge_owner", "record_hold"),
    *(
        "_waiter_for",
        "_take_evidence",
        "Waiter.leave",
        "Waiter.end",
        "SemaphoreWait._finish",
        "SemaphoreWait.__del__",
        "serves_telemetry",
        "internal_errors",
    ),
}
"""The twin's guards between these functions and their records. They contain the errors of everything they call."""

FINDERS = {"_Finder.find_spec"}
"""Functions that the interpreter calls by itself when it imports a module."""

EXEMPT = ITSELF | GUARDS | FINDERS | LOCKS | STARTS | BORDERS
AT_A_TIME = 4


class Injected(ArithmeticError):
    __module__ = "builtins"  # As an instruction of ours would raise it, and no signal handler of a program.


class Refused(Exception):
    pass


def refuse() -> None:
    raise Refused


class Pool:
    """A class that makes something new for each wait, as connection pools do."""

    def __init__(self) -> None:
        self.guard = threading.Lock()
        self.waiting = [threading.Event()]

    def wait(self) -> bool:
        return threading.Event().wait(0.001) or self.waiting[0].wait(0.001)


def made_by_new_code() -> Any:
    """Make locks in new code, so that nothing about it is cached."""
    source = "class Made:\n    def __init__(self):\n        self.each = Lock(), RLock(), Semaphore(1)\n"
    namespace: dict[str, Any] = {**vars(threading), "__name__": "made"}
    exec(compile(source, "/srv/made.py", "exec"), namespace)
    return namespace["Made"]().each


def use_everything() -> list[Any]:
    """Return the program's own view of everything observed. It is always the same, observed or not."""
    found: list[Any] = []
    threading.excepthook = lambda arguments: found.append(arguments.exc_type.__name__)
    lock, rlock, permit = made_by_new_code()
    for mutex in lock, rlock, permit:
        contend(found, mutex)
    wait_for_each_other(found, lock)
    run(found, refuse)
    found.append(telemetry.named(Pool(), "pool").wait())
    use_a_pool(found)
    return found


def run(found: list[Any], *targets: Callable[[], object]) -> None:
    """Run each target in a thread, and note if the thread has ended."""
    threads = [threading.Thread(target=target) for target in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
        found.append(thread.is_alive())


def contend(found: list[Any], mutex: Any) -> None:
    with mutex:
        run(found, lambda: found.append(mutex.acquire(timeout=0.004)))
    found.append(mutex.acquire(False))
    mutex.release()


def wait_for_each_other(found: list[Any], lock: Any) -> None:
    """Wait for a condition, an event, a barrier and queues. Give `lock` another name meanwhile."""
    condition, event, barrier = threading.Condition(), threading.Event(), threading.Barrier(2)
    items: queue.Queue[int] = queue.Queue(1)
    simple: queue.SimpleQueue[int] = queue.SimpleQueue()
    ready: list[int] = []

    def wait_for_it() -> None:
        with condition:
            found.append(condition.wait_for(lambda: ready, 20) == [1])

    def tell() -> None:
        time.sleep(0.002)
        items.put(1)
        items.put(2)
        simple.put(3)
        if core.object_name(lock) is not None:
            core.rename(lock, "renamed")
        event.set()
        with condition:
            ready.append(1)
            condition.notify_all()

    run(found, wait_for_it, tell, lambda: found.append(items.get() + items.get()))
    found.extend((simple.get(), event.wait(20)))
    run(found, *2 * [lambda: found.append(barrier.wait(20) < 2)])


def use_a_pool(found: list[Any]) -> None:
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


class Span:
    def __init__(self) -> None:
        self._context = (1, 2)


class ThreadSpan:
    pass


class Tracing:
    """A tracing library's description of itself."""

    variable: ContextVar[Any] = ContextVar("span")
    span_key = "span"
    context_attribute = "_context"
    context_type = dict
    thread_span_type = ThreadSpan

    @staticmethod
    def prepare_thread(function: object, span: object) -> bool:
        return True


def begin() -> None:
    telemetry.instrument()
    core.configure(hold_sampling=1)
    core.set_tracing(Tracing())
    Tracing.variable.set({"span": Span()})


def observed() -> list[Any]:
    core.configure(listening=True, slow_wait_ns=1_000_000)
    found = use_everything()
    gc.collect()
    snapshot = telemetry.snapshot()
    telemetry.uninstrument()
    core.set_tracing(None)
    found.extend((type(snapshot).__name__, sum(lock.waiters for lock in snapshot.locks)))
    return sorted(map(str, found))


Place = tuple[str, str, int]
"""File, qualified name and line of a function."""


def place_of(code: CodeType) -> Place:
    return code.co_filename, code.co_qualname, code.co_firstlineno


def places_reached_by(run: Callable[[], object]) -> list[Place]:
    """Find the internal functions that only our own code calls."""
    callers: dict[CodeType, set[bool]] = {}

    def note(frame: FrameType, event: str, argument: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(OWN) and not code.co_name.startswith("<"):
            caller = frame.f_back
            ours = caller is not None and caller.f_code.co_filename.startswith(OWN)
            callers.setdefault(code, set()).add(ours)

    threading.setprofile(note)
    sys.setprofile(note)
    run()
    sys.setprofile(None)
    threading.setprofile(None)
    return [place_of(code) for code, ours in callers.items() if ours == {True} and code.co_qualname not in EXEMPT]


def explore() -> str:
    """Run in a child, so that later children start with cold caches as well."""
    at_first = places_reached_by(begin)
    later = [place for place in places_reached_by(observed) if place not in at_first]
    begin()
    modules = [name for name, module in sys.modules.items() if str(getattr(module, "__file__", "")).startswith(OWN)]
    return repr((at_first, later, observed(), modules, faults()))


def raiser(free: int) -> CodeType:
    """Return the code of a raising function with the given number of free variables."""
    names = [f"v{number}" for number in range(free)]
    cells = "".join([f"    {name} = 0\n" for name in names])
    body = f"        [{', '.join(names)}]\n        __import__('builtins').injected()\n"
    source = f"def outer():\n{cells}    def function(*args, **kwargs):\n{body}    return function\n"
    namespace: dict[str, Any] = {}
    exec(compile(source, OWN + "injected", "exec"), namespace)
    code: CodeType = namespace["outer"]().__code__
    return code


def functions_by_place() -> dict[Place, list[FunctionType]]:
    functions: dict[Place, list[FunctionType]] = {}
    for each in gc.get_objects():
        if type(each) is FunctionType and each.__code__.co_filename.startswith(OWN):
            functions.setdefault(place_of(each.__code__), []).append(each)
    return functions


def inject(functions: list[FunctionType]) -> None:
    for each in functions:
        each.__code__ = raiser(len(each.__code__.co_freevars))


def faults() -> int:
    return core.internal_errors() + internal_errors_below_the_core()


UNREACHED = "unreached"


def outcome_of(functions: list[FunctionType], usual: list[Any], has_begun: bool) -> str:
    """Run in a child. Returns nothing if everything is as usual."""
    import builtins

    hits: list[int] = []

    def injected() -> None:
        hits.append(1)
        raise Injected

    # As if it were in our own file, raised by an instruction.
    injected.__code__ = injected.__code__.replace(co_filename=OWN + "injected")
    builtins.injected = injected  # type: ignore[attr-defined]
    before = faults()
    inject(functions)
    try:
        if not has_begun:
            begin()
        found = observed()
    except BaseException as error:
        return f"raised {error!r}" if hits else UNREACHED
    if not hits:
        return UNREACHED
    if found != usual:
        return f"found {found}, not {usual}"
    return "" if faults() > before else "was not counted"


class Child:
    """Run something until the outcome is requested."""

    def __init__(self, run: Callable[[], str]) -> None:
        self.read_end, write_end = os.pipe()
        self.process = os.fork()
        if self.process == 0:
            signal.alarm(100)
            if "--verbose" not in sys.argv:
                os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            os.write(write_end, run().encode())
            os._exit(0)
        os.close(write_end)

    def outcome(self) -> str:
        with os.fdopen(self.read_end, "rb") as pipe:
            outcome = pipe.read().decode()
        status = os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])
        return outcome or (f"ended with {status}" if status else "")


def run_with_each(places: list[Place], run: Callable[[list[FunctionType]], str]) -> int:
    """Return the number of functions that were called."""
    reached = 0
    functions = functions_by_place()
    # Children need not examine or copy objects that already exist.
    gc.freeze()
    running: deque[tuple[Place, Child]] = deque()
    for place in places:
        if place in functions:
            running.append((place, Child(partial(run, functions[place]))))
        while len(running) == AT_A_TIME or (running and place is places[-1]):
            (filename, qualname, _), child = running.popleft()
            outcome = child.outcome()
            reached += outcome != UNREACHED
            if outcome not in ("", UNREACHED):
                print(f"{Path(filename).name}:{qualname}: {outcome}", flush=True)
    return reached


def main() -> None:
    at_first, later, usual, modules, faults_of_its_own = ast.literal_eval(Child(explore).outcome())
    if faults_of_its_own:
        print(f"{faults_of_its_own} faults without any that was injected")
    for module in modules:
        importlib.import_module(module)
    reached = run_with_each(at_first, lambda functions: outcome_of(functions, usual, has_begun=False))
    gc.unfreeze()
    begin()
    reached += run_with_each(later, lambda functions: outcome_of(functions, usual, has_begun=True))
    print(reached, "functions")


if __name__ == "__main__":
    main()
