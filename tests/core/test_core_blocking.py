"""Rows of waits that are no contention, as both cores keep them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from rows import blocking_rows

from thread._base import code_origin

LIKE_OURS = f"{code_origin.OWN_FOLDER}of_this_test.py"
LIKE_THE_STANDARD_LIBRARY = f"{code_origin.STANDARD_LIBRARY}of_this_test.py"
LIKE_AN_SDK = f"/site-packages{code_origin.SDK_FOLDERS[0]}of_this_test.py"


def placed(file: str, body: str, **names: object) -> Any:
    """The function `f(call)` of that body, in a file of that name."""
    namespace: dict[str, object] = {"__name__": "of_this_test", **names}
    exec(compile(f"def f(call=None):\n    return {body}", file, "exec"), namespace)
    return namespace["f"]


def waiting(core: ModuleType, kind: str = "condition", name: str | None = "a condition") -> Callable[[], Any]:
    """A replacement for a method of the standard library: its file is one of ours."""
    wait: Callable[[], Any] = placed(LIKE_OURS, "row(kind, name)", row=core.blocking_row, kind=kind, name=name)
    return wait


def recorded(core: ModuleType) -> list[tuple[str, str, str, int]]:
    """Kind, name, function and count of each row."""
    rows = blocking_rows(core)
    return [(row.kind, row.name, row.site.function.rpartition(".")[2], row.duration.recorded) for row in rows]


def test_a_row_adds_up_the_waits_of_one_kind_name_and_site(core: ModuleType) -> None:
    wait = waiting(core)
    for _ in range(3):
        row = wait()
        row.add_since(core.monotonic_ns() - 2_000_000)
    wait().add_since(core.monotonic_ns())
    [found] = [row for row in blocking_rows(core) if row.duration.max_ns >= 2_000_000]
    assert (found.kind, found.name, found.site.filename) == ("condition", "a condition", __file__)
    assert found.duration.recorded == 3
    assert sum(count for *_, count in recorded(core)) == 4


def test_a_wait_that_has_not_ended_has_no_row_yet(core: ModuleType) -> None:
    row = waiting(core)()
    assert core.read_blocking() == []
    row.add_since(core.monotonic_ns())
    assert len(core.read_blocking()) == 1


def test_without_a_name_it_is_empty(core: ModuleType) -> None:
    waiting(core, "queue", None)().add_since(0)
    assert [(row.kind, row.name) for row in blocking_rows(core)] == [("queue", "")]


def test_the_outermost_function_on_the_way_says_what_is_waited_for(core: ModuleType) -> None:
    inner = placed(LIKE_THE_STANDARD_LIBRARY, "call()")
    outer = placed(LIKE_THE_STANDARD_LIBRARY, "inner(call)", inner=inner)
    undeclared = placed(LIKE_THE_STANDARD_LIBRARY, "outer(call)", outer=outer)
    core.mark_blocking(inner.__code__, "event")
    core.mark_blocking(outer.__code__, "barrier")
    for _ in range(2):
        undeclared(waiting(core)).add_since(0)
    assert recorded(core) == [
        ("barrier", "a condition", "test_the_outermost_function_on_the_way_says_what_is_waited_for", 2)
    ]


def test_what_is_declared_as_no_blocking_is_not_recorded(core: ModuleType) -> None:
    acquire = placed(LIKE_THE_STANDARD_LIBRARY, "call()")
    core.mark_blocking(acquire.__code__, "")
    for _ in range(2):
        acquire(waiting(core)).add_since(0)
    assert core.read_blocking() == []


def test_a_declaration_about_the_programs_own_code_changes_nothing(core: ModuleType) -> None:
    own = placed(__file__, "call()")
    core.mark_blocking(own.__code__, "event")
    for _ in range(2):
        own(waiting(core)).add_since(0)
    assert recorded(core) == [("condition", "a condition", "f", 2)]


def test_a_wait_of_an_sdk_is_not_recorded(core: ModuleType) -> None:
    export = placed(LIKE_AN_SDK, "call()")
    for _ in range(2):
        export(waiting(core)).add_since(0)
    assert core.read_blocking() == []


def test_where_nothing_of_the_program_runs_the_caller_of_what_waits_is_the_site(core: ModuleType) -> None:
    event_wait = placed(LIKE_THE_STANDARD_LIBRARY, "call()")
    timer = placed(LIKE_THE_STANDARD_LIBRARY, "event_wait(call).add_since(0)", event_wait=event_wait)
    timer.__code__ = timer.__code__.replace(co_qualname="Timer.run")
    core.mark_blocking(event_wait.__code__, "event")
    thread = threading.Thread(target=timer, args=(waiting(core),))
    thread.start()
    thread.join()
    assert [(row.kind, row.site.function) for row in blocking_rows(core)] == [("event", "of_this_test.Timer.run")]


def test_a_wait_during_which_everything_is_zeroed_is_counted(core: ModuleType) -> None:
    before, during = waiting(core)(), waiting(core)()
    before.add_since(0)
    core.reset()
    assert core.read_blocking() == []
    for _ in range(2):
        during.add_since(0)
    assert [row.duration.recorded for row in blocking_rows(core)] == [2]


def test_too_many_rows_are_counted_under_other(core: ModuleType) -> None:
    names = [f"event {number}" for number in range(2100)]
    for name in names * 2:
        waiting(core, "event", name)().add_since(0)
    assert recorded(core)[-1] == ("event", "other", "other", 200)
    found = [(row.name, row.duration.recorded) for row in blocking_rows(core)]
    assert found[:-1] == [(name, 2) for name in names[:2000]]


def test_a_name_of_a_subclass_of_str_runs_none_of_its_code(core: ModuleType) -> None:
    class Odd(str):
        def __hash__(self) -> int:
            raise AssertionError("hashed")

        def __eq__(self, other: object) -> bool:
            raise AssertionError("compared")

    for _ in range(2):
        waiting(core, name=Odd("odd name"))().add_since(0)
    assert [(row.name, type(row.name)) for row in blocking_rows(core)] == [("odd name", str)]
    assert core.internal_errors() == 0


def test_a_declaration_needs_a_code_object(core: ModuleType) -> None:
    with pytest.raises(TypeError, match="expected a code object, got function"):
        core.mark_blocking(placed(__file__, "call()"), "event")


def test_a_name_that_is_none_is_a_fault_and_no_error_of_the_program(core: ModuleType) -> None:
    waiting(core, name=17)().add_since(0)  # type: ignore[arg-type]
    assert core.read_blocking() == []
    assert core.internal_errors() == 1


def test_waits_in_progress_are_counted_until_they_end_or_are_dropped(core: ModuleType) -> None:
    wait = waiting(core)
    waits = [wait().begin() for _ in range(2)]
    [row] = blocking_rows(core)
    assert (row.waiters, row.duration) == (2, None)
    assert 0 < row.oldest_wait_ns <= core.monotonic_ns() - waits[0].began
    waits[0].end()
    [row] = blocking_rows(core)
    assert row.waiters == 1
    assert row.oldest_wait_ns <= core.monotonic_ns() - waits[1].began
    waits.clear()
    assert blocking_rows(core) == []


def test_a_wait_in_progress_is_seen_after_everything_was_zeroed(core: ModuleType) -> None:
    wait = waiting(core)().begin()
    core.reset()
    assert [row.waiters for row in blocking_rows(core)] == [1]
    wait.end()
    assert blocking_rows(core) == []


def test_a_child_sees_only_its_own_waits_in_progress(core: ModuleType) -> None:
    begun, done = threading.Event(), threading.Event()

    def wait() -> None:
        kept = waiting(core, name="of another thread")().begin()
        begun.set()
        done.wait()
        kept.end()

    other = threading.Thread(target=wait)
    other.start()
    assert begun.wait(60)
    mine = waiting(core, name="mine")().begin()
    child = os.fork()
    if not child:
        os._exit([row.name for row in blocking_rows(core)] != ["mine"])
    done.set()
    other.join(60)
    mine.end()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
