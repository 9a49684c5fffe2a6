"""Does something to a module right after its import, and lets everything else about the import be as it is."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType


class _Finder:
    """Finds the modules waited for by letting the other finders find them."""

    def __init__(self) -> None:
        self.waiting: dict[str, Callable[[ModuleType], object]] = {}
        self.during: dict[str, AbstractContextManager[object]] = {}

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name in self.waiting:
            for finder in sys.meta_path:
                spec: Any = None if finder is self else finder.find_spec(name, path, target)
                if spec is not None:
                    if spec.loader is not None:
                        spec.loader = _Loader(spec.loader)
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
        with _finder.during.get(module.__name__, nullcontext()):
            self._loader.exec_module(module)
        then = forget(module.__name__)
        if then is not None:
            then(module)


_finder: Final = _Finder()


def after_import(
    name: str, then: Callable[[ModuleType], object], during: AbstractContextManager[object] | None = None
) -> None:
    """Call `then` with the module: now if it is imported already, else once it is. Replaces an earlier such wish.

    The module is executed in the context `during`.
    """
    if name in sys.modules:
        __import__(name)  # It may be half-way through its import in another thread: this waits.
        then(sys.modules[name])
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
