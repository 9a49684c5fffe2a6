"""RLock."""

from __future__ import annotations

import _thread
import sys
from _thread import get_ident
from typing import Any

from .._base.uninterrupted import entered_at_once, this_thread
from ._acquiring import Mutex
from ._lock_arguments import checked_timeout
from ._lock_types import LockMeta, set_class, stands_for, type_name
from ._naming import identity_created
from ._runtime import checked_name
from ._waits import FOREVER, acquire_contended

_RawRLock = _thread.RLock


def _native_class_of_rlock(lock: RLock) -> type:
    return _RawRLock if type(lock) is RLock else type(lock)


class RLock(Mutex, metaclass=LockMeta):
    """A re-entrant lock: its owner may acquire it again, and must release it as often."""

    __slots__ = ()

    __class__ = property(_native_class_of_rlock, set_class)  # pyright: ignore[reportIncompatibleMethodOverride]

    def __new__(cls, *args: Any, **kwargs: Any) -> RLock:
        name = None
        if cls is RLock:
            name = kwargs.pop("name", None)
        # A subclass may take arguments of its own; since 3.15 only if it has an `__init__` of its own.
        plain = cls.__init__ is object.__init__ if sys.version_info >= (3, 15) else cls is RLock
        if plain and (args or kwargs):
            _RawRLock(*args, **kwargs)
        self = object.__new__(cls)
        self._initialize(identity_created("rlock", checked_name(name, "lock"), sys._getframe(1)))
        return self

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Lock the lock, once more if this thread owns it. Returns whether it was acquired.

        Waits for as long as it takes, `timeout` seconds at most if given, not at all unless `blocking`.
        """
        limit = FOREVER if blocking is True and timeout == -1 else checked_timeout(blocking, timeout)
        return self._enter_again() or self._acquire(limit)

    def __enter__(self) -> bool:
        return self._enter_again() or self._acquire(FOREVER)

    def _enter_again(self) -> bool:
        if self._owner != get_ident():
            return False
        self._depth += 1
        return True

    @entered_at_once
    def release(self) -> None:
        """Release the lock once. RuntimeError unless this thread owns it."""
        me = 0
        for me in this_thread:
            break
        if self._owner != me:
            raise RuntimeError("cannot release un-acquired lock")
        if self._depth > 1:
            self._depth -= 1
        else:
            self._release()

    @entered_at_once
    def __exit__(self, *exception: object) -> None:
        RLock.release(self)

    def _is_owned(self) -> bool:
        return self._owner == get_ident()

    def _recursion_count(self) -> int:
        return self._depth if self._owner == get_ident() else 0

    def _release_save(self) -> tuple[int, int]:
        if not (self._is_owned() if sys.version_info >= (3, 14) else self._depth):
            raise RuntimeError("cannot release un-acquired lock")
        state = (self._depth, self._owner)
        self._release()
        return state

    @entered_at_once
    def _acquire_restore(self, state: tuple[int, int]) -> None:
        depth, owner = state
        interruption = self._reacquire()
        self._depth = depth
        self._owner = owner
        self._record_acquisition()
        if not owner:
            # dill restores the state of a free lock, too.
            self._release()
        if interruption is not None:
            raise interruption

    @entered_at_once
    def _reacquire(self) -> BaseException | None:
        """Return what a signal handler raised: that must wait, for Condition.wait must not return without its lock."""
        acquired = False
        try:
            for acquired in self._tries:
                break
            if not acquired:
                acquire_contended(self, FOREVER, recorded=False)
        except BaseException as interruption:
            self._reacquire()
            return interruption
        return None

    def _at_fork_reinit(self) -> None:
        self._raw._at_fork_reinit()  # type: ignore[attr-defined]
        self._owner = self._depth = self._hold_started = 0
        self._owner_span = None

    if sys.version_info >= (3, 14):

        def locked(self) -> bool:
            """True while somebody holds the lock."""
            return self._raw.locked()

    def __repr__(self) -> str:
        return (
            f"<{self._state()} {type_name(type(self))} object owner={self._owner} count={self._depth} at {id(self):#x}>"
        )


RLock.__module__ = "_thread"
stands_for(_RawRLock, RLock)
