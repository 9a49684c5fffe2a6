"""Semaphores, observed as locks: waiting for a permit is contention, and the holders of permits are known.

Only the methods of `threading.Semaphore` are replaced. Value and waiting threads stay where the class keeps them, so
that objects made before, during and after observation are all the same.
"""

from __future__ import annotations

import sys
from functools import wraps
from types import ModuleType

from .._backend import core
from .._inspection.objects import set_attribute
from .._patching.replacing import Replacement
from .._process.guards import guarded, is_internal_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

RECORD: Final = "_thread_telemetry_record"
"""The attribute of a semaphore that holds its record; None in semaphores made unobserved."""

_attribute: Final = object.__getattribute__


def in_threading(threading: ModuleType) -> list[Replacement]:
    """Replacements for the methods through which permits come and go."""
    semaphore, bounded = threading.Semaphore, threading.BoundedSemaphore
    acquire = _observed_acquire(semaphore.acquire)
    return [
        Replacement(semaphore, RECORD, None),
        Replacement(semaphore, "__init__", _observed_init(semaphore.__init__, bounded)),
        Replacement(semaphore, "acquire", acquire),
        Replacement(semaphore, "__enter__", acquire),
        Replacement(semaphore, "release", _observed_release(semaphore.release)),
        Replacement(bounded, "release", _observed_release(bounded.release)),
    ]


def _observed_init(original: Any, bounded: Any) -> Any:
    @wraps(original)
    def __init__(self: Any, value: int = 1) -> None:
        original(self, value)
        record = guarded(_record_for, self, bounded)
        if record is not None:
            guarded(set_attribute, self, RECORD, record)

    return __init__


def _record_for(semaphore: Any, bounded: Any) -> Any:
    # A bounded one gives back what it handed out. One without bounds may be a signal, for which a thread may wait idly.
    return core.SemaphoreRecord(bounded=isinstance(semaphore, bounded))


def record_of(semaphore: Any) -> Any:
    """The record of a semaphore, None without one."""
    try:
        return _attribute(semaphore, RECORD)
    except AttributeError:
        return None  # Observation has ended, or never began.


def _observed_acquire(original: Any) -> Any:
    @wraps(original)
    def acquire(self: Any, blocking: bool = True, timeout: float | None = None) -> bool:
        # Without calls of Python code, which would take as long as the rest.
        try:
            record: Any = _attribute(self, RECORD)
        except AttributeError:
            record = None  # Observation has ended.
        if record is None or (not blocking and timeout is not None):
            acquired: bool = original(self, blocking, timeout)
            return acquired
        with self._cond:
            if self._value != 0:
                self._value -= 1
                try:
                    record.acquired()
                except Exception as error:
                    if not is_internal_error(error):
                        raise
                return True
        if not blocking or (timeout is not None and timeout <= 0):
            return False
        try:
            return _acquire_contended(self, record, timeout)
        except Exception as error:
            if not is_internal_error(error):
                raise
        # Nothing was acquired. If something is wrong, it goes wrong here again, or it was our error.
        return bool(original(self, blocking, timeout))

    return acquire


def _observed_release(original: Any) -> Any:
    @wraps(original)
    def release(self: Any, n: int = 1) -> None:
        original(self, n)
        try:
            record = _attribute(self, RECORD)
            if record is not None:
                record.released(n)
        except AttributeError:
            pass  # Observation has ended.
        except Exception as error:
            if not is_internal_error(error):
                raise

    return release


def _acquire_contended(semaphore: Any, record: Any, timeout: float | None) -> bool:
    """Wait once, however often the thread sleeps because others were faster."""
    wait = guarded(record.begin_wait)
    deadline = None if timeout is None else _now() + timeout
    acquired = None
    try:
        with semaphore._cond:
            while semaphore._value == 0:
                if deadline is not None and deadline <= _now():
                    acquired = False
                    return False
                _sleep(semaphore._cond, wait, deadline)
            semaphore._value -= 1
            guarded(record.acquired)
            acquired = True
            return True
    finally:
        if wait is not None:
            guarded(wait.end, acquired)


def _sleep(condition: Any, wait: Any, deadline: float | None) -> None:
    """Wait like `Condition.wait`, but stop for evidence without losing the place in the queue."""
    # `threading` itself would sleep in this: with greenlets it has to be one of theirs.
    waiter = sys.modules["threading"]._allocate_lock()
    waiter.acquire()
    condition._waiters.append(waiter)
    state = condition._release_save()
    told = False
    try:
        told = _sleep_until_told(waiter, wait, deadline)
    finally:
        condition._acquire_restore(state)
        if not told:
            try:
                condition._waiters.remove(waiter)
            except ValueError:
                pass


_LOOK_UP = 0.01


def _sleep_until_told(waiter: Any, wait: Any, deadline: float | None) -> bool:
    """Sleep until somebody releases the lock `waiter`, or until the deadline. Give evidence when it is due.

    A signal that arrives just before a thread falls asleep does not wake it. So the thread looks up after a while,
    after twice that time, and so on.
    """
    began = _now()
    look_up = began + _LOOK_UP
    while True:
        slow = None if wait is None else guarded(wait.seconds_to_evidence)
        now = _now()
        limits = (look_up - now, slow, None if deadline is None else deadline - now)
        if waiter.acquire(True, max(min(limit for limit in limits if limit is not None), 0.0)):
            return True
        if wait is not None and slow is not None and guarded(wait.seconds_to_evidence) == 0.0:
            guarded(wait.give_evidence)
        now = _now()
        if deadline is not None and now >= deadline:
            return False
        if now >= look_up:
            look_up = now + (now - began)


def _now() -> float:
    # The core's clock goes on when a test has stopped the program's time.
    return core.monotonic_ns() * 1e-9
