"""Comparing an expression over `_thread` with the same over `thread`.

The outcome is what is returned, or the type and the message of what is raised. The keyword-only `name=` is the one
difference that is meant; what differs beyond it is listed here, with the reason.
"""

from __future__ import annotations

import _thread
import builtins
import copy
import inspect
import pickle
import re
import weakref
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from conformance.published import IS_REFERENCE, SUBJECT

from thread._backend import core

PURE = core.NAME == "python" and not IS_REFERENCE

beyond_python = pytest.mark.skipif(PURE, reason="what only a type or a function written in C can be, the twin is not")

BY_REFERENCE = "pickled by reference, and its __module__ names the interpreter's own"
KNOWN_DIFFERENCES = {
    "pickle.loads(pickle.dumps(allocate_lock)) is allocate_lock": BY_REFERENCE,
    "pickle.loads(pickle.dumps(start_new_thread)) is start_new_thread": BY_REFERENCE,
}


class Truthless:
    """Objects that cannot be asked for their truth."""

    def __bool__(self) -> bool:
        raise ZeroDivisionError("no truth")


def derived(lock: Any, **attributes: Any) -> Any:
    """A class derived from that of a lock."""
    return type("Derived", (type(lock),), {"__module__": "shop", **attributes})


def in_a_thread(function: Callable[..., Any], *args: Any) -> Any:
    """Result or exception of a call in another thread."""
    outcome: list[Any] = []
    done = _thread.allocate_lock()
    done.acquire()

    def call() -> None:
        try:
            outcome.append(function(*args))
        except Exception as error:
            outcome.append((type(error), str(error)))
        finally:
            done.release()

    _thread.start_new_thread(call, ())
    assert done.acquire(timeout=10)
    return outcome[0]


def comparable(text: str) -> str:
    """A text without what differs from one object to the next."""
    text = re.sub(r"\b0x[0-9a-f]+|\bowner=[1-9]\d*", "…", text)
    # Of a type written in Python, the interpreter does not say the module.
    return re.sub(r"\b_thread\.(lock|RLock)\b", r"\1", text) if PURE else text


TOOLS = {
    tool.__name__: tool for tool in (Truthless, builtins, copy, derived, in_a_thread, inspect, pickle, weakref)
}


def outcome(expression: str, module: ModuleType, kind: str | None) -> tuple[str, str, str]:
    """Evaluate among the names of the module; `lock` is a new lock made by its function `kind`."""
    names = {**TOOLS, **vars(module), "__builtins__": builtins}
    if kind is not None:
        lock = getattr(module, kind)()
        names |= {"lock": lock, "type_of_lock": type(lock)}
    try:
        value = eval(expression, names)
    except BaseException as error:
        return ("raised", type(error).__name__, comparable(str(error)))
    kind_of_value = type if isinstance(value, type) else type(value)
    return ("returned", kind_of_value.__name__, comparable(repr(value)))


def check(expression: str, kind: str | None = None, *, only_types: bool = False) -> None:
    """Fail unless the outcome is the interpreter's; `only_types` leaves out values and messages."""
    theirs = outcome(expression, _thread, kind)
    ours = outcome(expression, SUBJECT, kind)
    if only_types:
        assert ours[:2] == theirs[:2]
    else:
        assert ours == theirs


def over(*tables: str) -> pytest.MarkDecorator:
    """Parametrizes with the lines of tables."""
    rows = []
    for table in tables:
        for row in map(str.strip, table.strip().splitlines()):
            reason = None if IS_REFERENCE else KNOWN_DIFFERENCES.get(row)
            marks = () if reason is None else (pytest.mark.xfail(strict=True, reason=reason),)
            rows.append(pytest.param(row, marks=marks, id=row))
    return pytest.mark.parametrize("expression", rows)
