"""Callbacks right after the import of a module. Nothing else about the import changes."""

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
    """A finder for awaited modules that asks the other finders for them."""

    def __init__(self) -> None:
        self.waiting: dict[str, Callable[[ModuleType], object]] = {}
        self.during: dict[str, AbstractContextManager[object]] = {}

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in self.waiting:
            return None
        # Exceptions of the other finders are for the importer of the module.
        finders: list[Any] = list(sys.meta_path)
        # Those before this one have been asked already.
        for finder in finders[finders.index(self) + 1 :] if self in finders else finders:
            # As the interpreter does, skip objects that find no specs.
            find_spec = getattr(finder, "find_spec", None)
            spec: Any = None if find_spec is None else find_spec(name, path, target)
            if spec is not None:
                guarded(_take_over, name, spec)
                return spec  # type: ignore[no-any-return]
        return None


class _Loader:
    """A loader that loads a module as the module's own loader does, and then runs the callback."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        # Tools that only inspect a module ask its loader for source, code and resources.
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
        # The importer knows nothing of us, and must get the module.
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
    """True if it is that module: a program may have another one of the name, `queue` for example."""
    if name.partition(".")[0] not in sys.stdlib_module_names or not spec.has_location or spec.origin is None:
        return True
    return os.path.realpath(spec.origin).startswith((_STANDARD_LIBRARY, os.path.realpath(_STANDARD_LIBRARY)))


def after_import(
    name: str, then: Callable[[ModuleType], object], during: AbstractContextManager[object] | None = None
) -> None:
    """Call `then` with the module: now if it is imported already, else after its import. Replaces an earlier callback.

    The module is executed in the context `during`.
    """
    # None or a test's stand-in in its place is no module to change.
    if issubclass(type(sys.modules.get(name)), ModuleType):
        __import__(name)  # Another thread may be in the middle of its import: this waits.
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
    """Cancel the callback for that module and return it."""
    then = _finder.waiting.pop(name, None)
    if not _finder.waiting and _finder in sys.meta_path:
        sys.meta_path.remove(_finder)
    return then
