"""What is done when the process exits, wherever in the program's life it turned out to be needed.

Handlers run in the opposite order of their registration. This module registers one when it is imported, before the
program registers its own, so that what is done here comes after all that the program does.
"""

from __future__ import annotations

import atexit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_functions: list[Callable[[], object]] = []


def at_end(function: Callable[[], object]) -> None:
    """Have the function called after the program's own `atexit` handlers, once, however often this is said."""
    if function not in _functions:
        _functions.append(function)


def _end() -> None:
    for function in _functions:
        function()


atexit.register(_end)
