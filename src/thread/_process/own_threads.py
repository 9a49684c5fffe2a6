"""Threads of the telemetry itself: unobserved, and out of the program's way at forks."""

from __future__ import annotations

from _thread import get_native_id
from collections import deque

from .._backend import core
from .flags import Flag
from .raw_threads import start_raw_thread
from .threading_list import forget_in_threading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final


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
            start_raw_thread(self._run_untracked)
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


def forget_all() -> None:
    """Know of no thread any more, as in a child after fork, where none of them is."""
    for thread in running_threads():
        thread.is_running = thread.is_leaving = False
    _running.clear()
    native_ids.clear()


def start_own_thread(run: Callable[[], object]) -> None:
    """Call `run` once in a thread of ours. Raises RuntimeError if no thread can be started."""
    UnobservedThread(run).start()
