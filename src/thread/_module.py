"""The class of the module `thread`: an assignment to it reaches the interpreter.

Debuggers try `import thread` first, its name in Python 2, and replace the functions there that start threads. They mean
the functions that the program calls, which are `_thread`'s, and keep the originals there under names of their own.
"""

from __future__ import annotations

import _thread
from types import ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

_MISSING: Final = object()


class ThreadModule(ModuleType):
    """A module whose assignments and deletions reach `_thread` as well, except for modules of the package."""

    def __setattr__(self, name: str, value: Any) -> None:
        before = vars(self).get(name, _MISSING)
        native = _native_of(self, value)
        super().__setattr__(name, value)
        if not name.startswith("__") and not isinstance(value, ModuleType):
            _reach(name, before, value, native)

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        if _replaced.pop(name, None) is not None and name in vars(_thread):
            delattr(_thread, name)


_replaced: Final[dict[str, tuple[object, object]]] = {}
"""The two modules' values of a name before its first assignment, `thread`'s first."""


def _reach(name: str, before: object, value: object, native: object) -> None:
    own, original = _replaced.setdefault(name, (before, vars(_thread).get(name, _MISSING)))
    if value is own and original is not _MISSING:
        # Somebody who had replaced it gives it back.
        del _replaced[name]
        setattr(_thread, name, original)
    else:
        setattr(_thread, name, native)


def _native_of(module: ModuleType, value: object) -> object:
    """The value in `_thread` that corresponds to this one in `thread`."""
    for name, native in vars(_thread).items():
        if vars(module).get(name) is value:
            return native
    return value
