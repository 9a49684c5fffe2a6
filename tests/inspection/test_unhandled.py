"""Descriptions of exceptions that nobody handled."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from programs import output_of
from rows import exception_rows, named

from thread._base import resets
from thread._inspection import tracebacks, unhandled
from thread._rows import UnhandledExceptionRow


@pytest.fixture(autouse=True)
def from_zero() -> Iterator[None]:
    resets.reset()
    yield
    resets.reset()


def describe(exception: BaseException, target: str = "shop:work") -> UnhandledExceptionRow:
    try:
        raise exception
    except BaseException as caught:
        event = named(UnhandledExceptionRow, unhandled.record_exception(caught, target, 1, 2, 3, None))
        return event._replace(traceback=str(event.traceback))


class OutOfStock(Exception):
    def __str__(self) -> str:
        return "none left"


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


def test_a_description_is_of_strings_and_numbers() -> None:
    event = describe(OutOfStock())
    assert (event.type, event.message, event.target) == (f"{__name__}.OutOfStock", "none left", "shop:work")
    assert (event.ident, event.native_id, event.at_ns) == (1, 2, 3)
    assert event.traceback.endswith(f"{__name__}.OutOfStock: none left\n")
    assert event.site == (f"{__name__}.describe", __file__, describe.__code__.co_firstlineno + 2)


def test_a_builtin_exception_is_called_by_its_name_alone() -> None:
    assert describe(ValueError("x")).type == "ValueError"


def test_an_exception_that_cannot_be_printed_is_described_all_the_same() -> None:
    assert describe(Unspeakable()).type == f"{__name__}.Unspeakable"


def test_causes_are_part_of_the_stack_trace() -> None:
    try:
        try:
            raise KeyError("first")
        except KeyError as error:
            raise ValueError("second") from error
    except ValueError as error:
        traceback = describe(error).traceback
    assert "KeyError: 'first'" in traceback
    assert "The above exception was the direct cause" in traceback


def test_an_enormous_message_is_cut_in_the_middle() -> None:
    event = describe(ValueError("x" * 1_000_000))
    assert len(event.message) <= tracebacks.MAX_TEXT
    assert len(event.traceback) <= tracebacks.MAX_TEXT + 10
    assert "[…]" in event.traceback


def test_exceptions_are_counted_by_type_and_target() -> None:
    for target in ("shop:work", "shop:work", "shop:serve"):
        describe(ValueError(target), target)
    rows = {(row.type, row.target): (row.occurrences, row.last_traceback) for row in exception_rows()}
    assert {key: count for key, (count, _) in rows.items()} == {
        ("ValueError", "shop:work"): 2,
        ("ValueError", "shop:serve"): 1,
    }
    assert "ValueError: shop:serve" in rows["ValueError", "shop:serve"][1]


def test_types_without_end_are_bounded() -> None:
    for number in range(unhandled.MAX_EXCEPTION_STATS + 20):
        describe(type(f"Error{number}", (Exception,), {})())
    rows = exception_rows()
    assert len(rows) == unhandled.MAX_EXCEPTION_STATS + 1
    assert sum(row.occurrences for row in rows) == unhandled.MAX_EXCEPTION_STATS + 20
    assert ("other", "other", 20) in {(row.type, row.target, row.occurrences) for row in rows}


HOOKS = """
import io, sys, threading
printed = sys.stdout
native = threading.excepthook

def fail():
    raise ValueError("x")

class Worker(threading.Thread):
    def run(self):
        raise KeyError("k")

class Own(threading.Thread):
    def __init__(self, **arguments):
        super().__init__(**arguments)
        invoke = self._invoke_excepthook
        self._invoke_excepthook = lambda thread: (calls.append("own"), invoke(thread))

def hook(args):
    frame = args.exc_traceback.tb_frame
    calls.append((args.exc_type.__name__, str(args.exc_value), args.thread.name, frame.f_code.co_name))

def broken(args):
    raise RuntimeError("broken")

def replace(value):
    threading.excepthook = value

def end(cls=threading.Thread, before=list, **arguments):
    sys.stderr = io.StringIO()
    worker = cls(name="worker", **arguments)
    before()
    worker.start()
    worker.join()
    lines = [line for line in sys.stderr.getvalue().splitlines() if "File" not in line and "^" not in line]
    print(calls, lines, file=printed)
    calls.clear()

def swap():
    replace(native)
    fail()

calls = []
end(target=fail)
end(Worker)
replace(hook)
end(target=fail)
end(Worker)
end(Own, target=fail)
end(target=swap)
end(target=fail, before=lambda: replace(hook))
replace(broken)
end(target=fail)
end(target=fail, before=lambda: replace(None))
replace(native)
end(target=fail, before=lambda: vars(threading).pop("excepthook"))
replace(native)
end(target=lambda: sys.exit(3))
"""


def test_the_hook_of_threading_is_called_as_unobserved_and_the_exception_is_recorded() -> None:
    observe = "from thread import telemetry; telemetry.instrument()\n"
    report = "for row in telemetry.snapshot().exceptions: print(row.type, row.target, row.count)\n"
    unobserved = output_of(HOOKS)
    observed = output_of(observe + HOOKS + report)
    assert observed[: len(unobserved)] == unobserved
    assert sorted(observed[len(unobserved) :]) == [
        "KeyError __main__:Worker.run 2",
        "ValueError __main__:fail 7",
        "ValueError __main__:swap 1",
    ]
