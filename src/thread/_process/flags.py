"""Waiting that is safe in signal handlers and finalizers: a flag for many threads, an alarm for one."""

from __future__ import annotations

from _thread import LockType, allocate_lock


class Flag:
    """A condition that becomes true once, for many threads to wait for. Safe in signal handlers and finalizers."""

    __slots__ = ("_lock", "is_set")

    def __init__(self) -> None:
        # The lock only makes others sleep. A signal handler may interrupt a thread that has just acquired it.
        self.is_set = False
        self._lock = allocate_lock()
        self._lock.acquire()

    def set(self) -> None:
        """Make it true. Does nothing if it is."""
        self.is_set = True
        _release(self._lock)

    def wait(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds until it is true. Returns whether it is."""
        if not self.is_set and self._lock.acquire(timeout=max(timeout, 0.0)):
            _release(self._lock)
        return self.is_set


class Alarm:
    """An alarm for one thread: ends its sleep now, or the next one. Safe in signal handlers."""

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = allocate_lock()
        self._lock.acquire()

    def ring(self) -> None:
        """Wake the sleeper. A second ring before the next sleep does nothing."""
        _release(self._lock)

    def sleep(self, timeout: float) -> bool:
        """Sleep until it rings, up to `timeout` seconds. Returns whether it rang."""
        return self._lock.acquire(timeout=max(timeout, 0.0))


def _release(lock: LockType) -> None:
    try:
        lock.release()
    except RuntimeError:
        pass
