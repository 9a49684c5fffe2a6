"""Steps between which no signal handler and no other thread runs.

The interpreter checks for signals and for threads that want the GIL when it enters a Python function, after each call,
and when a loop jumps back. A handler that raises there replaces the step. For a lock written in Python that breaks both
ways: the lock was acquired and nobody knows, or its release is skipped. The interpreter's own lock has no such gap,
since it is written in C.

There are two ways around it. An iterator written in C takes its step, and makes its call, without a check:

    for acquired in self._tries:
        break

And a function whose code is marked as resumed, like a generator that waits for another, is entered without a check.
"""

from __future__ import annotations

import opcode
from _thread import get_ident
from itertools import repeat
from types import FunctionType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Final, TypeVar

    Function = TypeVar("Function", bound=Callable[..., Any])
    Result = TypeVar("Result")

_RESUME: Final = opcode.opmap["RESUME"]
_AFTER_YIELD_FROM: Final = 2


def entered_at_once(function: Function) -> Function:
    """Make a function begin without a check for signals: no handler raises before its first call."""
    written_in_python: Any = function
    assert type(written_in_python) is FunctionType
    code = written_in_python.__code__
    instructions = bytearray(code.co_code)
    first = next(at for at in range(0, len(instructions), 2) if instructions[at] == _RESUME)
    instructions[first + 1] = _AFTER_YIELD_FROM
    written_in_python.__code__ = code.replace(co_code=bytes(instructions))
    return function


def steps_of(function: Callable[..., Result], *arguments: object) -> Iterator[Result]:
    """Results of a C function, called anew with the same arguments at each step."""
    return map(function, *map(repeat, arguments)) if arguments else iter(function, None)


this_thread: Final = steps_of(get_ident)
"""The ident of the thread that takes the step."""
