"""`instrument` and `uninstrument`: the modules to change, and the parts that change them.

Only names are replaced that those modules look up, and methods of their classes. Classes stay the same classes, and
existing objects stay as they are.
"""

from __future__ import annotations

from types import ModuleType

from .._patching.importing import after_import, forget
from .._patching.replacing import Replacements

# It has to take the interpreter's own locks and threads from `_thread` before those are replaced.
from .._process import own_threads as own_threads
from .._process.guards import guarded
from . import blocking, coverage, executors, futures, pickling, primitives, semaphores

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    from .._patching.replacing import Part

_PARTS: Final[dict[str, tuple[Part, ...]]] = {
    "_thread": (primitives.in_thread,),
    "threading": (primitives.in_threading, blocking.in_threading, semaphores.in_threading),
    "queue": (blocking.in_queue,),
    "concurrent.futures._base": (blocking.in_futures, futures.in_futures),
    "concurrent.futures.thread": (blocking.in_executor, executors.in_executor),
    "dill._dill": (pickling.in_dill,),
}
"""Modules in the order of their imports."""

_replacements: dict[str, Replacements] = {}
_is_active = False


def instrument() -> None:
    """Observe everything built on threads from now on.

    Locks: `Lock`, `RLock`, `Semaphore` and `BoundedSemaphore` of `threading`, and the locks of `_thread`. Waits of
    `Condition`, `Event`, `Barrier`, `Thread.join`, of the queues of `queue`, and for futures. Threads of `threading`
    and `_thread`, with the exceptions that end them. The tasks of `ThreadPoolExecutor`.

    Existing locks and semaphores stay as they are, and so does `from threading import Lock` in modules imported
    earlier. A module that the program has not imported yet is observed once it is. A second call does nothing.

    Raises RuntimeError if the threads of `threading` are not the interpreter's, as with gevent or eventlet; then
    nothing is replaced. If `threading` is imported later, that is a RuntimeWarning. Safe to call from any thread.
    """
    refusal = guarded(primitives.refusal)
    if refusal is not None:
        raise RuntimeError(refusal)
    if not _is_active:
        guarded(coverage.begin)
    guarded(instrument_at_start)


def instrument_at_start() -> None:
    """The same before the program's first line, when there are no locks yet to count."""
    global _is_active
    _is_active = True
    for name in _PARTS:
        guarded(after_import, name, _replace_in, _NativeThread() if name == "threading" else None)


def uninstrument() -> None:
    """Give the modules their originals back. Observed locks and threads stay, and stay observed.

    Replacements made by somebody else since are left alone. Without `instrument` before it, nothing happens. Safe to
    call from any thread.
    """
    global _is_active
    _is_active = False
    for name in _PARTS:
        guarded(forget, name)
    for replacements in list(_replacements.values()):
        guarded(replacements.undo)


class _NativeThread:
    """The interpreter's own `_thread`, restored while `threading` takes its own bookkeeping from it."""

    def __enter__(self) -> None:
        guarded(_replacements["_thread"].undo)

    def __exit__(self, *exception: object) -> None:
        guarded(_replacements["_thread"].put)


def _replace_in(module: ModuleType) -> None:
    refusal = guarded(primitives.refusal)
    if refusal is not None:
        # The importer knows nothing of us, and must get the module.
        uninstrument()
        import warnings

        warnings.warn(refusal, RuntimeWarning, stacklevel=2)
        return
    name = module.__name__
    if name not in _replacements:
        # A module may be another one of that name, or lack a part.
        _replacements[name] = Replacements(
            [replacement for part in _PARTS[name] for replacement in guarded(part, module, otherwise=())]
        )
    _replacements[name].put()
