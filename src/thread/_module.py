"""The class of the module `thread`: an assignment to it reaches the interpreter.

Debuggers try `import thread` first, as it was called in Python 2, and replace there what starts threads. They mean the
functions that the program calls, which are those of `_thread`.
"""

from __future__ import annotations

import _thread
from types import ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

_MISSING: Final = object()


class ThreadModule(ModuleType):
    """What is assigned to a name that `_thread` has too is assigned there as well."""

    def __setattr__(self, name: str, value: Any) -> None:
        before = vars(self).get(name, _MISSING)
        super().__setattr__(name, value)
        if before is not _MISSING and name in vars(_thread) and not name.startswith("__"):
            _reach(name, before, value)


_replaced: Final[dict[str, tuple[object, object]]] = {}
"""What the two modules had under a name, `thread` first, before it was assigned to."""


def _reach(name: str, before: object, value: object) -> None:
    own, native = _replaced.setdefault(name, (before, vars(_thread)[name]))
    if value is own:
        del _replaced[name]
    setattr(_thread, name, native if value is own else value)
