"""Puts observed locks and threads where `threading` finds the interpreter's.

Only the names under which `threading` looks them up are replaced, so that its classes and functions stay what they
are. Its own bookkeeping goes on with the locks that it has.
"""

from __future__ import annotations

import sys
import warnings
from types import BuiltinFunctionType, ModuleType
from typing import TYPE_CHECKING, Any, Final

from ._backend import core

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec

if sys.version_info >= (3, 13):
    _START: Final = "_start_joinable_thread"
    _OBSERVED: Final[dict[str, object]] = {"Lock": core.LockType, _START: core.start_joinable_thread}
else:
    _START: Final = "_start_new_thread"
    _OBSERVED: Final[dict[str, object]] = {"Lock": core.allocate_lock, _START: core.start_new_thread}
# `threading.RLock` is a function that calls this; what it is called with, and what it is in annotations, stays its own.
_OBSERVED["_CRLock"] = core.RLock

_originals: dict[str, object] = {}


def instrument() -> None:
    """Have `threading.Lock`, `threading.RLock` and `threading.Thread` observed from now on.

    Locks that exist already stay as they are, and so does `from threading import Lock` of modules imported earlier.
    If the program has not imported `threading`, it will be observed once it does. A second call does nothing.

    Raises RuntimeError if the threads of `threading` are not the interpreter's, as with gevent or eventlet; nothing
    is replaced then. Where that shows only when `threading` is imported, it is a RuntimeWarning. Safe to call from any
    thread.
    """
    if "threading" in sys.modules:
        import threading  # It may be half-way through its import in another thread: this waits.

        _replace_in(threading)
    elif _importer not in sys.meta_path:
        sys.meta_path.insert(0, _importer)


def uninstrument() -> None:
    """Give `threading` back what it had. Observed locks and threads go on, and go on being observed.

    What somebody else has replaced since is left alone. Without `instrument` before it, nothing happens. Safe to call
    from any thread.
    """
    if _importer in sys.meta_path:
        sys.meta_path.remove(_importer)
    threading = sys.modules.get("threading")
    for name, original in _originals.items():
        if getattr(threading, name, None) is _OBSERVED[name]:
            setattr(threading, name, original)


def _replace_in(threading: ModuleType) -> None:
    for name in "_allocate_lock", _START:
        native = getattr(threading, name)
        if not isinstance(native, BuiltinFunctionType) and native is not _OBSERVED.get(name):
            raise RuntimeError(
                f"cannot observe threading: expected its {name} to be the interpreter's, got {native!r}"
                f"{_suspects()}. Greenlets in place of threads are not observed."
            )
    for name, observed in _OBSERVED.items():
        found = getattr(threading, name)
        # Somebody who had replaced it for a while may have put back what was observed then.
        if found is not observed:
            _originals[name] = found
            setattr(threading, name, observed)


def _suspects() -> str:
    loaded = [name for name in ("gevent", "eventlet") if name in sys.modules]
    return f" ({' and '.join(loaded)} is loaded)" if loaded else ""


class _ThreadingImporter:
    """A finder for one module: `threading`, which it lets the others find."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name == "threading":
            for finder in sys.meta_path:
                spec: Any = None if finder is self else finder.find_spec(name, path, target)
                if spec is not None:
                    spec.loader = _ThreadingLoader(spec.loader)
                    return spec  # type: ignore[no-any-return]
        return None


class _ThreadingLoader:
    """Loads the module as its own loader does, then replaces what is to be observed."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)  # type: ignore[no-any-return]

    def exec_module(self, module: Any) -> None:
        module.__loader__ = module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        if _importer in sys.meta_path:
            sys.meta_path.remove(_importer)
            try:
                _replace_in(module)
            except RuntimeError as error:
                # Whoever imports `threading` has asked for nothing, and must get it.
                warnings.warn(str(error), RuntimeWarning, stacklevel=2)


_importer: Final = _ThreadingImporter()
