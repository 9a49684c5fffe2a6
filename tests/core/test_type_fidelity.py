"""Classes, functions and objects of the threading family are what they are without observation.

Each program runs in two interpreters, unobserved and observed from the start, and has to print the same in both.
"""

from __future__ import annotations

from textwrap import dedent

import pytest
from programs import output_of

OBSERVE = "from thread import telemetry; telemetry.instrument()\n"

COMMON = """
import abc, concurrent.futures.thread, copy, dataclasses, functools, inspect, pickle, queue, re, sys, threading, typing
import _thread, signal, weakref

# The two lock types of the pure-Python twin share a base class, which shows in their `__mro__` alone.
SHARED_BASE = "<class 'thread._core_py._acquiring.Mutex'>, "

def show(*values):
    values = [str(value).replace(SHARED_BASE, "") for value in values]
    print(*(re.sub(r"0x[0-9a-f]+|Thread-\\d+|\\b\\d{6,}\\b", "…", value) for value in values))

def outcome(function, *arguments):
    try:
        return repr(function(*arguments))
    except Exception as error:
        return type(error).__name__ + ": " + str(error)

def objects():
    with concurrent.futures.ThreadPoolExecutor() as executor:
        pass
    return [
        threading.Lock(), threading.RLock(), threading.Semaphore(2), threading.BoundedSemaphore(), threading.Event(),
        threading.Condition(), threading.Condition(threading.Lock()), threading.Barrier(2), threading.Thread(),
        threading.Timer(1, print), threading.local(), queue.Queue(), queue.LifoQueue(), queue.PriorityQueue(),
        queue.SimpleQueue(), concurrent.futures.Future(), executor,
    ]
"""

MODULES = "(_thread, threading, queue, concurrent.futures, concurrent.futures.thread, concurrent.futures._base)"

PROGRAMS = {
    "names of the modules": f"""
        for module in {MODULES}:
            show(module.__name__, dir(module))
        """,
    "signatures, names and documentation of what is public": f"""
        def describe(path, value):
            # The observed types and functions have `name=` besides.
            ours = value in (_thread.allocate_lock, _thread.LockType, _thread.RLock, _thread.start_new_thread)
            if not ours and value is not getattr(_thread, "start_joinable_thread", None):
                show(path, outcome(inspect.signature, value), value.__doc__)
            show(path, *(getattr(value, name, None) for name in ("__module__", "__qualname__", "__name__")))
            show(path, inspect.isfunction(value), inspect.isclass(value), inspect.isbuiltin(value) is bool)

        for module in {MODULES}:
            for name in dir(module):
                value = getattr(module, name)
                # The synonyms are the very functions here, and others of the same behaviour in the interpreter.
                if name.startswith("_") or not callable(value) or name in ("allocate", "start_new"):
                    continue
                describe(name, value)
                if inspect.isclass(value) and value.__module__ in ("threading", "queue", "concurrent.futures.thread"):
                    for attribute, member in sorted(vars(value).items()):
                        if inspect.isroutine(member):
                            describe(name + "." + attribute, member)
        """,
    "repr": """
        for value in objects():
            show(repr(value))
            show(type(value), type(value).__mro__)
        """,
    "copying and pickling": """
        for value in objects():
            for function in copy.copy, copy.deepcopy, pickle.dumps:
                if not isinstance(value, (threading.Thread, threading.Semaphore, threading.Event, queue.Queue)) or (
                    function is not copy.copy
                ):
                    show(type(value).__name__, outcome(function, value))
        """,
    "pickling by reference": """
        for path in (
            "threading.Lock", "threading.RLock", "threading.Semaphore", "threading.Condition", "threading.Thread",
            "_thread.allocate_lock", "_thread.LockType", "_thread.RLock", "_thread.start_new_thread",
            "type(threading.RLock())", "type(threading.Lock())", "queue.Queue", "queue.SimpleQueue",
        ):
            value = eval(path)
            show(path, outcome(lambda: pickle.loads(pickle.dumps(value)) is value))
        """,
    "weak references": """
        for value in objects():
            reference = weakref.ref(value)
            show(type(value).__name__, reference() is value)
        """,
    "instances and subclasses": """
        classes = {cls for value in objects() for cls in type(value).__mro__} | {_thread.LockType, _thread.RLock}
        classes = [cls for cls in classes if cls.__name__ != "Mutex"]
        classes.sort(key=lambda cls: (cls.__module__, cls.__qualname__))
        for value in objects():
            show(type(value).__name__, [cls.__name__ for cls in classes if isinstance(value, cls)])
        for cls in classes:
            show(cls.__name__, [other.__name__ for other in classes if issubclass(cls, other)])
        show(isinstance(1, _thread.LockType), outcome(issubclass, 1, _thread.LockType), outcome(isinstance, 1, 1))
        """,
    "subclasses": """
        class Pool(threading.Semaphore):
            def __init__(self, size):
                super().__init__(size)
                self.size = size

        class Slots(threading.BoundedSemaphore):
            def acquire(self, *arguments):
                show("acquiring")
                return super().acquire(*arguments)

        class Bell(threading.Condition):
            def wait(self, timeout=None):
                show("waiting", timeout)
                return super().wait(timeout)

        class Worker(threading.Thread, abc.ABC):
            def run(self):
                show(self.name, threading.current_thread() is self)

            @abc.abstractmethod
            def work(self): ...

        class Cook(Worker):
            def work(self): ...

        T = typing.TypeVar("T")

        class Box(queue.Queue, typing.Generic[T]):
            def _put(self, item):
                super()._put((item,))

        class Guard(_thread.RLock):
            pass

        pool, slots, bell = Pool(2), Slots(1), Bell()
        show(pool.acquire(), pool.acquire(), pool.acquire(False), pool.size, pool._value)
        show(slots.acquire(), outcome(slots.release), outcome(slots.release))
        with slots:
            pass
        with bell:
            show(bell.wait(0.001), bell.wait_for(lambda: True))
        show(outcome(Worker))
        cook = Cook(name="cook")
        cook.start()
        cook.join()
        box = Box[int]()
        box.put(3)
        show(box.get(), Box.__mro__)
        with Guard() as entered:
            show(entered, Guard.__mro__)
        if isinstance(threading.Lock, type):
            show(outcome(type, "Own", (threading.Lock,), {}))
        """,
    "annotations": """
        class Base:
            lock: threading.Lock
            condition: threading.Condition | None = None
            event: "typing.Optional[threading.Event]" = None

        show(list(typing.get_type_hints(Base).values())[1:])
        if isinstance(threading.Lock, type):
            show(threading.Lock | None, isinstance(threading.Lock(), threading.Lock | None))
        show(_thread.LockType | None, isinstance(threading.Lock(), _thread.LockType | None))

        @dataclasses.dataclass
        class Record:
            lock: typing.Any = dataclasses.field(default_factory=threading.Lock)
            rlock: typing.Any = dataclasses.field(default_factory=threading.RLock, compare=False)

        record = Record()
        show(record, Record() == record, outcome(dataclasses.asdict, record))
        """,
    "single dispatch": """
        @functools.singledispatch
        def kind(value):
            return "other"

        kind.register(_thread.LockType)(lambda value: "lock")
        kind.register(type(threading.RLock()))(lambda value: "rlock")
        kind.register(threading.Condition)(lambda value: "condition")
        for value in objects():
            show(type(value).__name__, kind(value))
        """,
    "functions kept as attributes of a class": """
        class Keeper:
            make = _thread.allocate_lock
            remake = threading.RLock
            lock = threading.Lock

        show(Keeper().make(), Keeper.remake(), Keeper().lock())
        """,
    "attributes of objects": """
        for value in objects():
            names = [name for name in dir(value) if "_telemetry" not in name]
            show(type(value).__name__, names)
            show(getattr(value, "__class__"), value == value, hash(value) == hash(value))
        """,
    "setting attributes": """
        for value in objects():
            # Of a type written in Python, the interpreter does not say the module.
            show(type(value).__name__, outcome(setattr, value, "name_of_nothing", 1).replace("_thread.", ""))
        for lock in threading.Lock(), threading.RLock():
            show(outcome(setattr, lock, "__class__", int))
        class Guard(_thread.RLock): pass
        class Other(_thread.RLock): pass
        guard = Guard()
        guard.__class__ = Other
        show(type(guard) is Other, guard.__class__ is Other, isinstance(guard, _thread.RLock))
        """,
    "help": """
        import pydoc
        for subject in queue, concurrent.futures.thread, threading.Thread, threading.Condition, threading.Barrier:
            show(pydoc.render_doc(subject, renderer=pydoc.plaintext))
        for subject in threading.Semaphore, threading.BoundedSemaphore:
            text = pydoc.render_doc(subject, renderer=pydoc.plaintext)
            show("\\n".join(line for line in text.splitlines() if "_telemetry" not in line))
        """,
}


def outputs_of(program: str, before: str = "", after: str = "") -> tuple[list[str], list[str]]:
    """Output of the program, unobserved, and observed since between `before` and `after`."""
    start, end = dedent(before), dedent(after) + dedent(program)
    return output_of(start + COMMON + end), output_of(start + OBSERVE + COMMON + end)


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_nothing_of_a_type_changes_under_observation(program: str) -> None:
    unobserved, observed = outputs_of(program)
    assert unobserved
    assert observed == unobserved


BEFORE = """
    import _thread, functools, threading
    old_lock, old_rlock = threading.Lock(), threading.RLock()
    OldLock, OldRLock = type(old_lock), type(old_rlock)
    @functools.singledispatch
    def old_kind(value):
        return "other"
    old_kind.register(OldLock)(lambda value: "lock")
    old_kind.register(OldRLock)(lambda value: "rlock")
    """

MIXED = """
    @functools.singledispatch
    def new_kind(value):
        return "other"

    NewLock, NewRLock = type(threading.Lock()), type(threading.RLock())
    new_kind.register(NewLock)(lambda value: "lock")
    new_kind.register(NewRLock)(lambda value: "rlock")
    new_lock, new_rlock = threading.Lock(), threading.RLock()
    for value in old_lock, old_rlock, new_lock, new_rlock, None:
        show(old_kind(value), new_kind(value))
        for types in (OldLock, NewLock), (OldRLock, NewRLock):
            show([isinstance(value, cls) for cls in types], [issubclass(type(value), cls) for cls in types[1:]])
    class OldGuard(OldRLock): pass
    class NewGuard(NewRLock): pass
    for guard in OldGuard(), NewGuard():
        show(isinstance(guard, NewRLock), isinstance(guard, NewLock), new_kind(guard))
    show(isinstance(NewGuard(), NewGuard), isinstance(new_rlock, NewGuard), issubclass(NewRLock, NewGuard))
    """


def test_locks_and_types_of_before_and_after_pass_for_each_other() -> None:
    unobserved, observed = outputs_of(MIXED, before=BEFORE)
    assert unobserved
    assert observed == unobserved


DILL = """
    def copied(value):
        return outcome(lambda: dill.loads(dill.dumps(value)))

    locked, entered = threading.Lock(), threading.RLock()
    locked.acquire()
    entered.acquire()
    for value in old_lock, locked, threading.Lock(), entered, threading.Condition(), threading.Lock, threading.RLock:
        show(copied(value))
    for value in old_rlock, threading.RLock():
        show(type(dill.loads(dill.dumps(value))).__name__)
    """

OLD = "import threading; old_lock, old_rlock = threading.Lock(), threading.RLock()\n"


@pytest.mark.parametrize("imported", ["before", "after"])
def test_dill_saves_observed_locks_as_it_saves_the_interpreters(imported: str) -> None:
    pytest.importorskip("dill")
    before = OLD + ("import dill\n" if imported == "before" else "")
    unobserved, observed = outputs_of(DILL, before=before, after="import dill\n")
    assert unobserved
    # Restored, the interpreter's RLock is locked by nobody and for ever, which 3.14 shows; an observed one is free.
    # A dill imported before restores the interpreter's in either case.
    dead, free = "<locked _thread.RLock object owner=0", "<unlocked _thread.RLock object owner=0"
    assert [line.replace(dead, free) for line in observed] == [line.replace(dead, free) for line in unobserved]


def test_cloudpickle_saves_functions_that_make_locks() -> None:
    pytest.importorskip("cloudpickle")
    program = """
        import cloudpickle
        from threading import Lock, RLock, Semaphore
        Kept = Lock

        def make():
            return Lock(), Kept(), RLock(), Semaphore()

        for function in make, lambda: threading.Lock():
            show(cloudpickle.loads(cloudpickle.dumps(function))())
        show(outcome(cloudpickle.dumps, Lock()), outcome(cloudpickle.dumps, RLock()))
        """
    unobserved, observed = outputs_of(program)
    assert unobserved
    assert observed == unobserved
