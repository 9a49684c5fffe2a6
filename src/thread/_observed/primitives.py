"""Observed locks and threads as replacements for the interpreter's."""

from __future__ import annotations

import sys
from types import BuiltinFunctionType, ModuleType

from .._backend import core
from .._inspection.objects import MISSING, as_text, attribute, is_a, module_namespace
from .._patching.replacing import Replacement
from .._process.guards import is_internal_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

if sys.version_info >= (3, 13):
    _START: Final = "_start_joinable_thread"
    _OBSERVED: Final[dict[str, object]] = {"Lock": core.LockType, _START: core.start_joinable_thread}
else:
    _START: Final = "_start_new_thread"
    _OBSERVED: Final[dict[str, object]] = {"Lock": core.allocate_lock, _START: core.start_new_thread}
# `threading.RLock` is a function that calls this; its signature and its use in annotations stay as they are.
_OBSERVED["_CRLock"] = core.RLock


_IN_THREAD: Final[dict[str, object]] = {
    "LockType": core.LockType,
    "RLock": core.RLock,
    "allocate": core.allocate_lock,
    "allocate_lock": core.allocate_lock,
    "start_new": core.start_new_thread,
    "start_new_thread": core.start_new_thread,
}
if sys.version_info >= (3, 13):
    _IN_THREAD.update({"lock": core.LockType, "start_joinable_thread": core.start_joinable_thread})

GREENLETS: Final = ("gevent", "eventlet")
"""Libraries that replace threads by greenlets."""


def in_thread(module: ModuleType) -> list[Replacement]:
    """Replacements for programs without `threading`, and for lookups of a lock's type or a function by name."""
    return [_replacement(module, name, observed) for name, observed in _IN_THREAD.items()]


def in_threading(threading: ModuleType) -> list[Replacement]:
    """Replacements for locks and the start of threads. The module's bookkeeping keeps the locks that it has."""
    core.mark_reacquisition(threading.Condition._acquire_restore.__code__)
    return [_replacement(threading, name, observed) for name, observed in _OBSERVED.items()]


def _replacement(module: ModuleType, name: str, observed: Any) -> Replacement:
    starts_threads = observed is core.start_new_thread or observed is getattr(core, "start_joinable_thread", None)
    return Replacement(module, name, observed, (lambda found: _started_by(observed, found)) if starts_threads else None)


# ---- threads that others start ----


class _StartedBy:
    """Starts observed threads through a debugger's replacement of the interpreter's function.

    The debugger still does to new threads what it does, and is not mistaken for the thread's target.
    """

    __slots__ = ("_start",)

    def __init__(self, start: Callable[..., Any]) -> None:
        self._start = start

    def __getattr__(self, name: str) -> Any:
        return getattr(self._start, name)

    def __call__(self, function: Any, *arguments: Any, **options: Any) -> Any:
        run, passed_on = self._run_of(function, arguments, options)
        return core.pass_on(self._start, run, passed_on, options)

    def _run_of(
        self, function: Any, arguments: tuple[Any, ...], options: dict[str, Any]
    ) -> tuple[Any, tuple[Any, ...]]:
        name = options.pop("name", None)
        try:
            positional = arguments[0] if arguments else ()
            keywords = arguments[1] if len(arguments) > 1 else {}
            if callable(function) and type(positional) is tuple and type(keywords) is dict:
                run = core.observed_run(function, positional, keywords, name)
                return _Run(run, function), ((),) if arguments else ()
        except Exception as error:
            if not is_internal_error(error):
                raise
        return function, arguments


class _Run:
    """An observed function. A debugger finds it to be a method of the same object as before."""

    __slots__ = ("__self__", "_run")

    def __init__(self, run: Callable[[], object], function: object) -> None:
        self._run = run
        self.__self__ = attribute(function, "__self__")

    def __call__(self) -> None:
        self._run()


def _started_by(observed: object, found: Any) -> object:
    if found is MISSING or type(found) in (BuiltinFunctionType, type(observed)):
        return observed
    start: Any = found
    return _StartedBy(start)


# ---- greenlets ----


def greenlets() -> str | None:
    """The library whose greenlets replace the threads of `threading`."""
    found = _greenlet_replacement()
    return None if found is None else found[1]


def _greenlet_replacement() -> tuple[str, str] | None:
    namespace = module_namespace(sys.modules.get("threading"))
    for name in ("_allocate_lock", "Lock", "_start_new_thread", "_start_joinable_thread"):
        library = as_text(attribute(namespace.get(name), "__module__")).partition(".")[0]
        if library in GREENLETS:
            return name, library
    native = namespace.get("_allocate_lock", MISSING)
    loaded = _loaded()
    is_native = native is MISSING or is_a(native, BuiltinFunctionType) or is_a(native, type)
    return ("_allocate_lock", loaded[0]) if loaded and not is_native else None


def _loaded() -> list[str]:
    return [name for name in GREENLETS if name in sys.modules]


def refusal() -> str | None:
    """Reason why the threads of `threading` cannot be observed: they are not the interpreter's. None if they are.

    A debugger's threads are: its replacement calls the interpreter's function.
    """
    found = _greenlet_replacement()
    if found is None:
        return None
    name, _ = found
    suspects = f" ({' and '.join(_loaded())} is loaded)" if _loaded() else ""
    return (
        f"cannot observe threading: expected its {name} to be the interpreter's, "
        f"got {getattr(sys.modules['threading'], name)!r}{suspects}. "
        "Greenlets in place of threads are not observed."
    )
