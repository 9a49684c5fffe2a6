"""Acquiring and releasing a lock, as both types of locks do.

An uncontended acquisition takes the interpreter's own lock, stores the owner and counts one. It reads no clock unless
the hold is sampled. Only the thread that holds a lock writes its record, and no internal error of a record keeps a
thread from acquiring or releasing the lock.
"""

from __future__ import annotations

import _thread
from collections.abc import Iterator
from itertools import repeat
from typing import Any, Final, NoReturn

from .._base.uninterrupted import entered_at_once, this_thread
from .._inspection.naming import GIL_SITE
from ._frames import frame_of
from ._identities import Identity, record_hold
from ._lock_types import type_name
from ._runtime import Settings, clock, is_internal_error, monotonic_ns
from ._spans import current_span
from ._waiters import Queue
from ._waits import RawAcquire, acquire_contended

_raw_allocate = _thread.allocate_lock

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
        """Release the lock again, since an exception is raised instead."""
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
        name = type(self).__name__ if protocol < 2 else type_name(type(self))
        raise TypeError(f"cannot pickle {name!r} object")
