"""Threads of the telemetry itself: raw, hidden from what is recorded, and out of the way of the program's signals."""

from __future__ import annotations

import signal
import sys
from _thread import LockType, allocate_lock, get_ident, stack_size, start_new_thread
from collections.abc import Callable
from typing import Final

from ._backend import core

# What the processor raises in a thread has to reach that thread, or a crash would end in silence.
_SYNCHRONOUS_SIGNALS: Final = ("SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV", "SIGSYS", "SIGTRAP")


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


def start_own_thread(run: Callable[[], object]) -> None:
    """Call `run` in a new thread that is not observed, not joined at exit, and not listed by `threading`.

    Raises RuntimeError if no thread can be started.
    """
    # The stacks that a program finds large enough for its own threads may be too small for an exporter.
    chosen_by_program = stack_size(0)
    try:
        start_new_thread(_run, (run,))
    finally:
        stack_size(chosen_by_program)


def _run(run: Callable[[], object]) -> None:
    core.enter_hidden()
    try:
        _leave_signals_to_the_program()
        run()
    except BaseException:
        core.count_fault()
    finally:
        forget_in_threading()
        core.leave_hidden()


def _leave_signals_to_the_program() -> None:
    """Block what can be blocked.

    A program that blocks a signal in its own threads, to wait for it with `sigwait`, would die of it if it could be
    delivered to a thread that the program knows nothing of.
    """
    if hasattr(signal, "pthread_sigmask"):
        kept = {getattr(signal, name, None) for name in _SYNCHRONOUS_SIGNALS}
        signal.pthread_sigmask(signal.SIG_BLOCK, [s for s in signal.valid_signals() if s not in kept])


def forget_in_threading() -> None:
    """Take this thread out of `threading`'s list, where `current_thread()`, which logging calls, has put it."""
    threading = sys.modules.get("threading")
    active = getattr(threading, "_active", None)
    dummy = getattr(threading, "_DummyThread", None)
    if active is not None and dummy is not None and isinstance(active.get(get_ident()), dummy):
        active.pop(get_ident(), None)
