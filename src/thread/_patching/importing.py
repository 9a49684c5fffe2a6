"""Does something to a module right after its import, and lets everything else about the import be as it is."""

from __future__ import annotations

import os
import sys
from types import ModuleType

from .._process.guards import guarded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from importlib.machinery import ModuleSpec
    from typing import Any, Final


class _Finder:
    """Finds the modules waited for by letting the other finders find them."""

    def __init__(self) -> None:
        self.waiting: dict[str, Callable[[ModuleType], object]] = {}
        self.during: dict[str, AbstractContextManager[object]] = {}

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in self.waiting:
            return None
        # What the other finders raise is for who imports the module.
        finders: list[Any] = list(sys.meta_path)
        # Those before this one have been asked already.
        for finder in finders[finders.index(self) + 1 :] if self in finders else finders:
            # As the interpreter does, pass over what finds no specs.
            find_spec = getattr(finder, "find_spec", None)
            spec: Any = None if find_spec is None else find_spec(name, path, target)
            if spec is not None:
                guarded(_take_over, name, spec)
                return spec  # type: ignore[no-any-return]
        return None


class _Loader:
    """Loads a module as its own loader does, then does what was to be done after that."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        # What only looks for a module asks its loader for the source, the code, the resources.
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)  # type: ignore[no-any-return]

    def exec_module(self, module: Any) -> None:
        module.__loader__ = module.__spec__.loader = self._loader
        during = _finder.during.get(module.__name__)
        if during is None:
            self._loader.exec_module(module)
        else:
            with during:
                self._loader.exec_module(module)
        # Whoever imports the module has asked for nothing, and must get it.
        guarded(_finish, module)


def _take_over(name: str, spec: Any) -> None:
    if spec.loader is not None and _is_meant(name, spec):
        spec.loader = _Loader(spec.loader)


def _finish(module: ModuleType) -> None:
    then = forget(module.__name__)
    if then is not None:
        then(module)


_finder: Final = _Finder()
_STANDARD_LIBRARY: Final = os.path.join(os.path.dirname(os.__file__), "")


def _is_meant(name: str, spec: ModuleSpec) -> bool:
    """Whether it is that module: a program may have another one of the name, `queue` for example."""
    if name.partition(".")[0] not in sys.stdlib_module_names or not spec.has_location or spec.origin is None:
        return True
    return os.path.realpath(spec.origin).startswith((_STANDARD_LIBRARY, os.path.realpath(_STANDARD_LIBRARY)))


def after_import(
    name: str, then: Callable[[ModuleType], object], during: AbstractContextManager[object] | None = None
) -> None:
    """Call `then` with the module: now if it is imported already, else once it is. Replaces an earlier such wish.

    The module is executed in the context `during`.
    """
    # Something else in its place, such as None or a test's stand-in, is no module to do anything to.
    if issubclass(type(sys.modules.get(name)), ModuleType):
        __import__(name)  # It may be half-way through its import in another thread: this waits.
        module = sys.modules[name]
        spec = getattr(module, "__spec__", None)
        if spec is None or _is_meant(name, spec):
            then(module)
        return
    if during is not None:
        _finder.during[name] = during
    _finder.waiting[name] = then
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)


def forget(name: str) -> Callable[[ModuleType], object] | None:
    """Do nothing after the import of that module. Returns what was to be done."""
    then = _finder.waiting.pop(name, None)
    if not _finder.waiting and _finder in sys.meta_path:
        sys.meta_path.remove(_finder)
    return then
