"""Waiting that is safe in signal handlers and finalizers: a flag for many threads, an alarm for one."""

from __future__ import annotations

from _thread import LockType, allocate_lock


class Flag:
    """A condition that becomes true once, for many to wait for. Safe in signal handlers and finalizers."""

    __slots__ = ("_lock", "is_set")

    def __init__(self) -> None:
        # The lock only makes others sleep. A signal handler may interrupt one of them that has just got the lock.
        self.is_set = False
        self._lock = allocate_lock()
        self._lock.acquire()

    def set(self) -> None:
        """Make it true. Nothing happens if it is."""
        self.is_set = True
        _release(self._lock)

    def wait(self, timeout: float) -> bool:
        """Wait until it is true, `timeout` seconds at most. Returns whether it is."""
        if not self.is_set and self._lock.acquire(timeout=max(timeout, 0.0)):
            _release(self._lock)
        return self.is_set


class Alarm:
    """Ends the sleep of the one thread that sleeps in it, now or the next time. Safe in signal handlers."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = allocate_lock()
        self._lock.acquire()

    def ring(self) -> None:
        """Wake the sleeper. To ring twice is to ring once."""
        _release(self._lock)

    def sleep(self, timeout: float) -> bool:
        """Sleep until it rings, `timeout` seconds at most. Returns whether it rang."""
        return self._lock.acquire(timeout=max(timeout, 0.0))


def _release(lock: LockType) -> None:
    try:
        lock.release()
    except RuntimeError:
        pass
