"""Steps between which no signal handler runs, and no other thread.

The interpreter looks for signals and for threads that want its lock where it enters a function written in Python, after
each call, and where a loop goes back. A handler that raises there takes the place of the step. For a lock written in
Python that is too early in one case and too late in the other: the lock was acquired, and nobody knows; or it was to be
released, and is not. The interpreter's own lock has no such gap, being written in C.

Two ways around it. An iterator that is written in C takes its step, and with it makes its call, without a look:

    for acquired in self._tries:
        break

And a function whose code says that it is resumed, as a generator is that waits for another, is entered without a look.
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
    """Make a function begin without a look for signals: what raises comes after its first call at the earliest."""
    written_in_python: Any = function
    assert type(written_in_python) is FunctionType
    code = written_in_python.__code__
    instructions = bytearray(code.co_code)
    first = next(at for at in range(0, len(instructions), 2) if instructions[at] == _RESUME)
    instructions[first + 1] = _AFTER_YIELD_FROM
    written_in_python.__code__ = code.replace(co_code=bytes(instructions))
    return function


def steps_of(function: Callable[..., Result], *arguments: object) -> Iterator[Result]:
    """What a function written in C returns, called anew with the same arguments at each step."""
    return map(function, *map(repeat, arguments)) if arguments else iter(function, None)


this_thread: Final = steps_of(get_ident)
"""The ident of the thread that takes the step."""
