"""Lock."""

from __future__ import annotations

import _thread
import sys
from _thread import get_ident
from typing import Any, Never, NoReturn

from .._base.uninterrupted import entered_at_once
from ._acquiring import Mutex
from ._builtin import BuiltinFunction
from ._lock_arguments import checked_timeout
from ._lock_types import LockMeta, set_class, stands_for
from ._naming import identity_created
from ._runtime import Settings, checked_name, is_internal_error, monotonic_ns
from ._spans import current_span
from ._waits import FOREVER, acquire_contended

_raw_lock_type: Any = _thread.LockType


class LockType(Mutex, metaclass=LockMeta):
    """A lock object is a synchronization primitive: acquired by one thread at a time, released by any.

    acquire() -- lock the lock, possibly blocking until it can be obtained
    release() -- unlock of the lock
    locked() -- test whether the lock is currently locked
    """

    __slots__ = ()

    # An instance of the interpreter's own type, as far as `isinstance` goes: programs may have captured that before.
    __class__ = property(lambda self: _raw_lock_type, set_class)  # pyright: ignore[reportIncompatibleMethodOverride]

    if sys.version_info >= (3, 13):

        def __new__(cls, *args: Any, name: str | None = None, **kwargs: Any) -> LockType:
            if args or kwargs:
                _raw_lock_type(*args, **kwargs)
            return _new_lock(name, 2)

    else:

        def __new__(cls, *args: Any, **kwargs: Any) -> LockType:
            raise TypeError("cannot create '_thread.lock' instances")

    if sys.version_info < (3, 13):

        def __reduce_ex__(self, protocol: Any) -> Any:
            # The interpreter's lock has no base that forbids this, so that it fails later, over the name of the type.
            return super().__reduce_ex__(protocol) if protocol >= 2 else object.__reduce_ex__(self, protocol)

    def __init_subclass__(cls, **kwargs: Any) -> NoReturn:
        raise TypeError("type '_thread.lock' is not an acceptable base type")

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Lock the lock. Returns whether it was acquired.

        Waits for as long as it takes, `timeout` seconds at most if given, not at all unless `blocking`.
        """
        return self._acquire(FOREVER if blocking is True and timeout == -1 else checked_timeout(blocking, timeout))

    @entered_at_once
    def release(self) -> None:
        """Release the lock, which need not have been acquired by this thread. RuntimeError if it is unlocked."""
        self._release()

    def locked(self) -> bool:
        """True while somebody holds the lock."""
        return self._raw.locked()

    def __enter__(self) -> bool:
        # The same as `_acquire`, without its calls, which would cost as much again.
        acquired = False
        try:
            for acquired in self._tries:
                break
            if not acquired:
                acquired = acquire_contended(self, FOREVER)
            try:
                self._owner = get_ident()
                identity = self._identity
                acquisitions = identity.count_acquisition()
                if acquisitions >= identity.next_sample:
                    identity.draw_next_sample(acquisitions)
                    self._hold_started = monotonic_ns()
                if Settings.tracing:
                    self._owner_span = current_span()
            except Exception as error:
                if not is_internal_error(error):
                    raise
            return True
        except BaseException:
            if acquired:
                self._give_back()
            raise

    @entered_at_once
    def __exit__(self, *exception: object) -> None:
        if self._hold_started or self._waiting or self._owner_span is not None:
            self._release()
        else:
            self._owner = 0
            self._raw_release()

    def _at_fork_reinit(self) -> None:
        self._raw._at_fork_reinit()  # type: ignore[attr-defined]
        self._owner = self._depth = self._hold_started = 0
        self._owner_span = None

    def __repr__(self) -> str:
        return f"<{self._state()} _thread.lock object at {id(self):#x}>"

    acquire_lock = acquire
    release_lock = release
    locked_lock = locked


LockType.__module__ = "_thread"
LockType.__name__ = LockType.__qualname__ = "lock"
stands_for(_raw_lock_type, LockType)


def _new_lock(name: object, depth: int) -> LockType:
    lock: LockType = object.__new__(LockType)
    lock._initialize(identity_created("lock", checked_name(name, "lock"), sys._getframe(depth)))
    return lock


class _AllocateLock(BuiltinFunction):
    """Create a new lock object, initially unlocked. `name` names its identity in what is recorded."""

    __slots__ = ()

    def __call__(self, *args: Never, name: str | None = None) -> LockType:
        if args:
            raise TypeError(f"_thread.allocate_lock() takes no arguments ({len(args)} given)")
        return _new_lock(name, 2)


allocate_lock: _AllocateLock = _AllocateLock("allocate_lock")

__all__ = ["LockType", "allocate_lock"]
