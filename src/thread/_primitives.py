"""Observed locks and threads in the place of the interpreter's."""

from __future__ import annotations

import sys
from types import BuiltinFunctionType, ModuleType

from ._backend import core
from ._replacing import Replacement

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

if sys.version_info >= (3, 13):
    _START: Final = "_start_joinable_thread"
    _OBSERVED: Final[dict[str, object]] = {"Lock": core.LockType, _START: core.start_joinable_thread}
else:
    _START: Final = "_start_new_thread"
    _OBSERVED: Final[dict[str, object]] = {"Lock": core.allocate_lock, _START: core.start_new_thread}
# `threading.RLock` is a function that calls this; what it is called with, and what it is in annotations, stays its own.
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


def in_thread(module: ModuleType) -> list[Replacement]:
    """For programs that do without `threading`, and for whoever looks up a lock's type or a function by its name."""
    return [Replacement(module, name, observed) for name, observed in _IN_THREAD.items()]


def in_threading(threading: ModuleType) -> list[Replacement]:
    """What makes locks and starts threads there; its own bookkeeping goes on with the locks that it has."""
    core.mark_reacquisition(threading.Condition._acquire_restore.__code__)
    return [Replacement(threading, name, observed) for name, observed in _OBSERVED.items()]


def check() -> None:
    """Raises RuntimeError if the threads of `threading` are not the interpreter's."""
    threading = sys.modules.get("threading")
    for name in "_allocate_lock", _START:
        native = getattr(threading, name, None)
        if native is not None and not isinstance(native, BuiltinFunctionType) and native is not _OBSERVED.get(name):
            raise RuntimeError(
                f"cannot observe threading: expected its {name} to be the interpreter's, got {native!r}"
                f"{_suspects()}. Greenlets in place of threads are not observed."
            )


def _suspects() -> str:
    loaded = [name for name in ("gevent", "eventlet") if name in sys.modules]
    return f" ({' and '.join(loaded)} is loaded)" if loaded else ""
