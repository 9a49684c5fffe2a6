"""From the creation of a lock to its identity."""

from __future__ import annotations

import queue
import threading
import weakref
from types import ModuleType
from typing import Any

import pytest
from programs import output_of
from rows import lock_row, lock_rows

import thread


class Cache:
    def __init__(self) -> None:
        self._guard = thread.allocate_lock()
        self._nested = thread.RLock()


class Holder:
    allocate = thread.allocate_lock


def names(core: ModuleType) -> set[tuple[str, str]]:
    return {(row.name, row.kind) for row in lock_rows(core) if row.live > 0}


def test_a_lock_is_called_after_its_attribute(core: ModuleType) -> None:
    cache = Cache()
    assert {(f"{__name__}:Cache._guard", "lock"), (f"{__name__}:Cache._nested", "rlock")} <= names(core)
    [location] = {row.location for row in lock_rows(core) if row.name == f"{__name__}:Cache._guard"}
    assert location == f"{__file__}:{Cache.__init__.__code__.co_firstlineno + 1}"
    del cache


def test_all_locks_of_a_creation_site_share_one_identity(core: ModuleType) -> None:
    caches = [Cache() for _ in range(10)]
    live = lock_row(core, f"{__name__}:Cache._guard").live
    assert live == len(caches)


def test_an_allocator_that_a_class_keeps_does_not_bind(core: ModuleType) -> None:
    lock = Holder().allocate()
    assert isinstance(lock, thread.LockType)


def test_a_lock_of_the_standard_library_is_charged_to_its_caller(
    core: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading, "Lock", thread.allocate_lock)

    class Pipeline:
        def __init__(self) -> None:
            self.jobs: queue.Queue[int] = queue.Queue()

    pipeline = Pipeline()
    called = {name for name, _ in names(core)}
    assert any(name.endswith("Pipeline.jobs (Queue.mutex)") for name in called)
    assert not any(name.startswith("queue:") for name in called)
    del pipeline


def test_one_name_is_one_identity_wherever_it_is_given(core: ModuleType) -> None:
    first = thread.allocate_lock(name="of two places")
    second = thread.allocate_lock(name="of two places")
    live = lock_row(core, "of two places").live
    assert live == 2
    del first, second


def test_a_name_of_a_subclass_of_str_runs_none_of_its_code(core: ModuleType) -> None:
    class Odd(str):
        def __hash__(self) -> int:
            raise AssertionError("hashed")

        def __eq__(self, other: object) -> bool:
            raise AssertionError("compared")

    lock = thread.allocate_lock(name=Odd("odd name"))
    assert ("odd name", "lock") in names(core)
    del lock


def test_callers_variables_are_not_looked_at(core: ModuleType) -> None:
    class Descriptor:
        def __get__(self, instance: Any, owner: Any) -> Any:
            raise AssertionError("read")

    class Owner:
        trap = Descriptor()

        def __init__(self) -> None:
            self.lock = thread.allocate_lock()

    Owner()
    assert core.internal_errors() == 0


def function_of(source: str, **names: object) -> Any:
    namespace: dict[str, Any] = {"__name__": "made", "thread": thread, **names}
    exec(compile(source, "/srv/shop/made.py", "exec"), namespace)
    return namespace.pop("function")


# In processes of their own: what a process tells apart is bounded, and kept until it ends.
MADE = """
import thread
from thread._backend import core

def function_of(source):
    namespace = {"__name__": "made", "thread": thread}
    exec(compile(source, "/srv/shop/made.py", "exec"), namespace)
    return namespace.pop("function")
"""


def test_a_function_that_creates_a_thousand_locks_names_each_after_its_variable() -> None:
    assert output_of(
        MADE
        + """
source = "def function():\\n" + "".join([f"    lock{number} = thread.allocate_lock()\\n" for number in range(1000)])
function = function_of(source + "    return locals()\\n")
for _ in range(2):
    locks = function()
    print({core.object_name(lock) for lock in locks.values()} == {f"made:function.{name}" for name in locks})
"""
    ) == ["True", "True"]


def test_what_is_known_of_a_code_object_goes_with_it(core: ModuleType) -> None:
    for number in range(2000):
        # The code of each function has the address of one that is gone, most times.
        function = function_of(
            f"def function():\n    lock{number % 50} = thread.allocate_lock()\n    return lock{number % 50}"
        )
        assert core.object_name(function()) == f"made:function.lock{number % 50}"
        gone = weakref.ref(function.__code__)
        del function
        assert gone() is None


def test_a_thousand_code_objects_that_go_in_any_order_leave_the_others_known() -> None:
    assert output_of(
        MADE
        + """
import random

order = random.Random(1)
known = [
    (number, function_of(f"def function():\\n    lock{number} = thread.allocate_lock()\\n    return lock{number}"))
    for number in range(900)
]
while known:
    order.shuffle(known)
    del known[: len(known) // 3 + 1]
    for number, function in known:
        assert core.object_name(function()) == f"made:function.lock{number}", number
"""
    ) == []


def test_a_path_through_code_that_is_gone_is_not_taken_for_another(core: ModuleType) -> None:
    """Code that is made at run time, as that of dataclasses is, belongs to its caller and may go soon."""

    class Outer:
        def __init__(self, make: Any) -> None:
            self.part = make()

    def generated(name: str) -> Any:
        namespace: dict[str, Any] = {"thread": thread}
        exec(f"def {name}():\n    {name}_lock = thread.allocate_lock()\n    return {name}_lock", namespace)
        return namespace.pop(name)

    for number in range(300):
        name = f"make{number % 7}"
        outer = Outer(generated(name))
        [called] = [each for each, _ in names(core) if "(make" in each]
        assert called.endswith(f"({name}.{name}_lock)")
        del outer


def test_a_hundred_thousand_live_locks_of_one_site_are_one_row(core: ModuleType) -> None:
    locks = [thread.allocate_lock() for _ in range(100_000)]
    rows = [row for row in lock_rows(core) if row.live == len(locks)]
    assert len(rows) == 1
