"""The contended path: a thread waits for a lock, in steps, and is seen waiting."""

from __future__ import annotations

from typing import Final, Protocol

from .._base.uninterrupted import entered_at_once, this_thread
from ._identities import Identity
from ._runtime import is_internal_error, monotonic_ns
from ._waiters import Owned, Queue, Waiter

FOREVER: Final = -1


class RawAcquire(Protocol):
    """The interpreter's own `lock.acquire`."""

    def __call__(self, blocking: bool = True, timeout: float = -1) -> bool: ...


class Contended(Protocol):
    """A lock."""

    _depth: int
    _identity: Identity
    _owner: int
    _queue: Queue
    _raw_acquire: RawAcquire

    def _give_back(self) -> None: ...


def acquire_contended(mutex: Contended, timeout: float, *, recorded: bool = True) -> bool:
    """Wait for a lock that somebody holds, `timeout` seconds or FOREVER. True if it was acquired.

    Raises nothing but what a signal handler raises, and never with the lock: that ends the wait, which is counted as
    interrupted, or gives back the lock if it was acquired just before. If no waiter can be made, the thread waits
    unseen. In Condition.wait, the wait to get back the lock is part of that one, and not recorded.
    """
    waiter = _waiter_for(mutex, recorded)
    if waiter is None:
        return _wait_for_raw(mutex, timeout)
    acquired = False
    outcome = "interrupted"
    try:
        try:
            acquired = _wait_in_steps(waiter, mutex, timeout)
            outcome = "acquired" if acquired else "timed out"
        finally:
            waiter.end(outcome)
        return acquired
    except BaseException:
        if acquired:
            mutex._give_back()
        raise


def _waiter_for(mutex: Owned, recorded: bool) -> Waiter | None:
    """A waiter that is seen from now on, None if it cannot be made."""
    waiter = None
    try:
        waiter = Waiter(mutex, recorded)
        waiter.enter()
        return waiter
    except BaseException as error:
        if waiter is not None:
            waiter.leave()
        if not is_internal_error(error):
            raise
    return None


@entered_at_once
def _wait_for_raw(mutex: Contended, timeout: float) -> bool:
    """Acquire the interpreter's lock. A signal handler that runs right afterwards finds the lock owned."""
    acquired = False
    for acquired in map(mutex._raw_acquire, (True,), (timeout,)):
        break
    if acquired:
        mutex._depth = 1
        for mutex._owner in this_thread:
            break
    return acquired


LOOK_UP_NS: Final = 10_000_000


def _wait_in_steps(waiter: Waiter, mutex: Contended, timeout: float) -> bool:
    """Wait, and look up after LOOK_UP_NS, after twice that time, and so on, and when evidence is due.

    A signal that arrives when a thread is about to sleep ends no sleep: its handler runs when the thread looks up.
    """
    deadline = None if timeout == FOREVER else waiter.started + int(timeout * 1e9)
    look_up = waiter.started + LOOK_UP_NS
    while True:
        evidence_due = waiter.evidence_due
        until = min(each for each in (look_up, deadline, evidence_due) if each is not None)
        if _wait_for_raw(mutex, max(until - monotonic_ns(), 0) * 1e-9):
            return True
        now = monotonic_ns()
        if evidence_due is not None and now >= evidence_due:
            _take_evidence(waiter)
        if deadline is not None and now >= deadline:
            return False
        if now >= look_up:
            look_up = now + (now - waiter.started)


def _take_evidence(waiter: Waiter) -> None:
    try:
        waiter.take_evidence()
    except Exception as error:
        if not is_internal_error(error):
            raise
