"""Functions that run when the process exits, after the program's own handlers.

The interpreter runs handlers in reverse order of registration. This module registers one when it is imported, before
the program registers its own, so ours comes after everything that the program does.
"""

from __future__ import annotations

import atexit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_functions: list[Callable[[], object]] = []


def at_end(function: Callable[[], object]) -> None:
    """Call the function once, after the program's own `atexit` handlers. A second registration does nothing."""
    if function not in _functions:
        _functions.append(function)


def _end() -> None:
    for function in _functions:
        function()


atexit.register(_end)
