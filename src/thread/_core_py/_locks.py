"""The two lock types.

An uncontended acquisition takes the interpreter's own lock, stores the owner and counts one. It reads no clock unless
the hold is sampled. Only the thread that holds a lock writes its record, and no internal error of a record keeps a
thread from acquiring or releasing the lock.
"""

from __future__ import annotations

import _thread
import sys
from _thread import get_ident
from collections.abc import Iterator
from itertools import repeat
from typing import Any, Final, Never, NoReturn

from .._base.uninterrupted import entered_at_once, this_thread
from .._inspection.naming import GIL_SITE
from ._builtin import BuiltinFunction
from ._frames import frame_of
from ._identities import Identity, record_hold
from ._naming import identity_created
from ._runtime import Settings, checked_name, clock, is_internal_error, monotonic_ns
from ._spans import current_span
from ._waits import FOREVER, Queue, RawAcquire, acquire_contended

_raw_allocate = _thread.allocate_lock
_RawRLock = _thread.RLock
_raw_lock_type: Any = _thread.LockType


_NOT_BLOCKING: Final = repeat(False)


class Mutex:
    """Common base of both lock types.

    Whatever raises after the interpreter's lock was acquired gives it back: see `_base/uninterrupted.py`.
    """

    __slots__ = (
        "__weakref__",
        "_depth",
        "_hold_started",
        "_identity",
        "_owner",
        "_owner_span",
        "_queue",
        "_raw",
        "_raw_acquire",
        "_raw_release",
        "_token",
        "_tries",
        "_waiting",
    )

    _depth: int
    """RLock: number of times that its owner has acquired it."""
    _identity: Identity
    _owner: int
    _raw_acquire: RawAcquire
    _tries: Iterator[bool]
    """Tries to acquire it without waiting, one at each step."""

    def _initialize(self, identity: Identity) -> None:
        self._raw = _raw_allocate()
        self._raw_acquire = self._raw.acquire
        self._raw_release = self._raw.release
        self._tries = map(self._raw.acquire, _NOT_BLOCKING)
        self._owner = self._depth = 0
        self._owner_span: Any = None
        self._hold_started = 0
        self._queue = Queue(nobody=GIL_SITE)
        self._waiting = self._queue.waiting
        self._identity = identity
        self._token = identity.token

    def _acquire(self, limit: float | None) -> bool:
        """Acquire it within `limit` seconds, FOREVER, or None: without waiting."""
        acquired = False
        try:
            for acquired in self._tries:
                break
            if not acquired:
                if limit is None:
                    return False
                acquired = acquire_contended(self, limit)
            if acquired:
                self._depth = 1
                self._owner = 0
                for self._owner in this_thread:
                    break
                self._record_acquisition()
            return acquired
        except BaseException:
            if acquired:
                self._give_back()
            raise

    def _record_acquisition(self) -> None:
        try:
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

    @entered_at_once
    def _give_back(self) -> None:
        """Unlock what was acquired for nothing, since an exception is raised instead."""
        self._owner = self._depth = self._hold_started = 0
        self._owner_span = None
        self._raw_release()

    @entered_at_once
    def _release(self) -> None:
        try:
            if self._waiting:
                self._charge_owner()
        finally:
            self._unlock()

    def _charge_owner(self) -> None:
        """Charge the owner, which may be another thread than the one that releases, while it still is the owner."""
        try:
            owner = self._owner
            self._queue.owner_leaves(owner, frame_of(owner), self._owner_span)
        except Exception as error:
            if not is_internal_error(error):
                raise

    @entered_at_once
    def _unlock(self) -> None:
        hold_started, ended = self._hold_started, 0
        if hold_started:
            for ended in clock:
                break
        identity = self._identity
        self._owner = self._depth = self._hold_started = 0
        self._owner_span = None
        self._raw_release()
        if hold_started:
            record_hold(identity, ended - hold_started)

    def _state(self) -> str:
        return "locked" if self._raw.locked() else "unlocked"

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        name = type(self).__name__ if protocol < 2 else _type_name(type(self))
        raise TypeError(f"cannot pickle {name!r} object")


def _type_name(cls: type) -> str:
    # The interpreter's C code gives the module of built-in types only.
    return f"{cls.__module__}.{cls.__name__}" if cls.__module__ == "_thread" else cls.__name__


def _checked(blocking: Any, timeout: Any) -> float | None:
    """The time-out in seconds, FOREVER, or None for a mere try; bad arguments raise what the interpreter raises."""
    if timeout == -1 and blocking is True:
        return FOREVER
    _raw_allocate().acquire(blocking, timeout)
    if not blocking or timeout == 0:
        return None
    return FOREVER if timeout < 0 else float(timeout)


_set_class: Final[Any] = vars(object)["__class__"].__set__


class _LockMeta(type):
    """Accepts locks of the interpreter's own types as instances: programs may have made some before."""

    def __instancecheck__(cls, instance: object) -> bool:
        return super().__instancecheck__(instance) or isinstance(instance, _interpreters_own.get(cls, ()))

    def __subclasscheck__(cls, subclass: type) -> bool:
        return super().__subclasscheck__(subclass) or issubclass(subclass, _interpreters_own.get(cls, ()))


class LockType(Mutex, metaclass=_LockMeta):
    """A lock object is a synchronization primitive: acquired by one thread at a time, released by any.

    acquire() -- lock the lock, possibly blocking until it can be obtained
    release() -- unlock of the lock
    locked() -- test whether the lock is currently locked
    """

    __slots__ = ()

    # An instance of the interpreter's own type, as far as `isinstance` goes: programs may have captured that before.
    __class__ = property(lambda self: _raw_lock_type, _set_class)  # pyright: ignore[reportIncompatibleMethodOverride]

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
        return self._acquire(FOREVER if blocking is True and timeout == -1 else _checked(blocking, timeout))

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


def _native_class_of_rlock(lock: RLock) -> type:
    return _RawRLock if type(lock) is RLock else type(lock)


class RLock(Mutex, metaclass=_LockMeta):
    """A re-entrant lock: its owner may acquire it again, and must release it as often."""

    __slots__ = ()

    __class__ = property(_native_class_of_rlock, _set_class)  # pyright: ignore[reportIncompatibleMethodOverride]

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
        limit = FOREVER if blocking is True and timeout == -1 else _checked(blocking, timeout)
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
            f"<{self._state()} {_type_name(type(self))} object "
            f"owner={self._owner} count={self._depth} at {id(self):#x}>"
        )


RLock.__module__ = "_thread"

_interpreters_own: Final[dict[type, type]] = {LockType: _raw_lock_type, RLock: _RawRLock}


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

__all__ = ["LockType", "RLock", "allocate_lock"]
