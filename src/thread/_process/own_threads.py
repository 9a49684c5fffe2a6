"""Threads of the telemetry itself: raw, hidden from what is recorded, and out of the way of the program's signals."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import os
from _thread import (
    LockType,
    _count,
    allocate_lock,
    get_ident,
    get_native_id,
    stack_size,
    start_new_thread,
)
from collections import deque, namedtuple

from .._backend import core
from .._inspection.objects import is_a, loaded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

# What the processor raises in a thread has to reach that thread, or a crash would end in silence.
_SYNCHRONOUS_SIGNALS: Final = ("SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV", "SIGSYS", "SIGTRAP")

_KEPT: Final = frozenset([getattr(_signal, name, 0) for name in _SYNCHRONOUS_SIGNALS])
# From `_signal`, since `signal` makes an enumeration of each, which takes a hundred times as long.
_BLOCKED: Final = tuple(_signal.valid_signals() - _KEPT) if hasattr(_signal, "pthread_sigmask") else ()


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


class UnobservedThread:
    """A thread of the telemetry, or of an exporter, that calls `run` and that the program does not notice.

    It is not observed, not joined at exit and not listed by `threading`, and no signal is delivered to it. What `run`
    raises is counted in `Coverage.faults`.

    With `wake` it makes way for forks: before one, if the program has no thread but the one that forks, `is_leaving`
    becomes true and `wake` is called, as often as it takes. `run` has to return within milliseconds then. After the
    fork it is called anew in the parent, from the beginning, even where it had nothing left to do; in the child it
    is not. `wake` is called in the thread that forks and must not block.

        class Ticker:
            def __init__(self):
                self._alarm = queue.SimpleQueue()
                self._thread = UnobservedThread(self._tick, wake=lambda: self._alarm.put(None))
                self._thread.start()

            def _tick(self):
                while not self._thread.is_leaving:
                    ...
    """

    __slots__ = ("_calls_due", "_ended", "_run", "_wake", "has_begun", "is_leaving", "is_running")

    def __init__(self, run: Callable[[], object], wake: Callable[[], object] | None = None) -> None:
        self._run = run
        self._wake = wake
        self._calls_due: deque[None] = deque()
        self._ended = Flag()
        self.is_leaving = False
        """Whether `run` has to return."""
        self.is_running = False
        """Whether `run` is being called, or is about to be."""
        self.has_begun = False
        """Whether the thread has told its number."""

    @property
    def makes_way(self) -> bool:
        """Whether it can be asked to leave."""
        return self._wake is not None

    def start(self) -> None:
        """Begin. Raises RuntimeError if no thread can be started."""
        self.is_running, self.has_begun, self.is_leaving, self._ended = True, False, False, Flag()
        _running[id(self)] = self
        try:
            _start(self._run_untracked)
        except (MemoryError, RuntimeError) as error:
            self._end()
            raise RuntimeError(f"can't start new thread: {error}") from None

    def join(self, timeout: float) -> bool:
        """Wait until it does not run, `timeout` seconds at most. Returns whether it does not."""
        if self.is_running:
            self._ended.wait(timeout)
        return not self.is_running

    @staticmethod
    def run_here(step: Callable[[], object]) -> None:
        """Do in the calling thread what this one has to do, where it has none."""
        try:
            # Not before: a signal handler that raises in between would leave this thread hidden for ever.
            core.enter_untracked()
            step()
        finally:
            core.leave_untracked()

    def leave(self) -> None:
        """Have it make way."""
        self.is_leaving = True
        if self._wake is not None and self.is_running:
            self._wake()

    def come_back(self) -> None:
        """Have it go on. Raises RuntimeError if no thread can be started."""
        self.is_leaving = False
        # One that did not leave in time may be about to: then it sees itself that it has to go on.
        self._calls_due.append(None)
        if not self.is_running and self._has_call_due():
            self.start()

    def _run_untracked(self) -> None:
        core.enter_untracked()
        native_ids.append(get_native_id())
        self.has_begun = True
        try:
            self._run()
            while self._has_call_due():
                self._run()
        except BaseException:
            core.count_internal_error()
        finally:
            forget_in_threading()
            core.leave_untracked()
            self._end()
        if self._has_call_due():
            self.start()

    def _has_call_due(self) -> bool:
        # Both this thread and the one that calls it back may look; one of them gets it.
        try:
            self._calls_due.pop()
        except IndexError:
            return False
        return True

    def _end(self) -> None:
        _running.pop(id(self), None)
        self.is_running = False
        self._ended.set()


_running: Final[dict[int, UnobservedThread]] = {}

native_ids: Final[deque[int]] = deque(maxlen=256)
"""The operating system's numbers of our threads, and of those that have just ended."""


def running_threads() -> list[UnobservedThread]:
    """Those that run, or are about to."""
    return list(_running.values())


Company = namedtuple("Company", ["ours", "others", "others_in_python"])
"""How many threads there are beside the calling one: ours; those of the program that the operating system lists; those
of the program that the interpreter knows of. One that has been joined a moment ago is listed, and not known."""


_threads_of_the_parent: Final = [0]


def thread_count() -> int:
    """How many Python threads run, the main thread excluded."""
    return max(_count() - _threads_of_the_parent[0], 0)


def company() -> Company:
    """Who else runs in this process."""
    # In this order: ours are known before they begin, and still when they have ended.
    counted = thread_count()
    listed = tasks()
    running = running_threads()
    if listed is None:
        others = max(counted - len(running), 0)
        return Company(len(running), others, others)
    listed.discard(get_native_id())
    # Those that are about to begin have told no number yet.
    beginning = sum(not each.has_begun for each in running)
    known = listed.intersection(native_ids.copy())
    ours = len(known) + beginning
    return Company(ours, max(len(listed) - ours, 0), max(counted - ours, 0))


def tasks() -> set[int] | None:
    """The operating system's numbers of all threads of this process, None where it does not tell."""
    try:
        return set(map(int, os.listdir("/proc/self/task")))
    except OSError:
        return None


def forget_all() -> None:
    """Know of no thread any more, as in a child after fork, where none of them is."""
    for thread in running_threads():
        thread.is_running = thread.is_leaving = False
    _running.clear()
    native_ids.clear()
    # The interpreter goes on counting those of the parent.
    _threads_of_the_parent[0] = _count()


def start_own_thread(run: Callable[[], object]) -> None:
    """Call `run` once in a thread of ours. Raises RuntimeError if no thread can be started."""
    UnobservedThread(run).start()


def _start(run: Callable[[], object]) -> None:
    # The stacks that a program finds large enough for its own threads may be too small for an exporter.
    chosen_by_program = stack_size(0)
    try:
        _start_without_signals(run)
    finally:
        stack_size(chosen_by_program)


def _start_without_signals(run: Callable[[], object]) -> None:
    """Start a thread in which what can be blocked is blocked, as it inherits it.

    A program that blocks a signal in its own threads, to wait for it with `sigwait`, would die of it if it could be
    delivered to a thread that the program knows nothing of.
    """
    if not _BLOCKED:
        start_new_thread(run, ())
        return
    # Asked first, since a handler that runs when they are blocked may raise.
    before = _signal.pthread_sigmask(_signal.SIG_BLOCK, ())
    try:
        _signal.pthread_sigmask(_signal.SIG_BLOCK, _BLOCKED)
        start_new_thread(run, ())
    finally:
        _signal.pthread_sigmask(_signal.SIG_SETMASK, before)


def forget_in_threading() -> None:
    """Take this thread out of `threading`'s list, where `current_thread()`, which logging calls, has put it."""
    active, dummy = loaded("threading", "_active"), loaded("threading", "_DummyThread")
    if type(active) is dict and dummy is not None and is_a(active.get(get_ident()), dummy):
        active.pop(get_ident(), None)
