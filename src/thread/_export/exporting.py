"""The exporter protocol, and the worker that calls one exporter in a thread of its own."""

from __future__ import annotations

from _thread import get_ident
from collections import deque
from collections.abc import Callable, Sequence
from itertools import count
from typing import Final, Protocol, runtime_checkable

from .._backend import core
from .._process import clock
from .._process.clock import monotonic
from .._process.flags import Alarm, Flag
from .._process.internal_errors import InternalErrorLog
from .._process.own_threads import UnobservedThread
from .._process.threading_list import forget_in_threading
from .._settings.settings import Settings
from .._views.events import Event
from .._views.snapshot import ExporterStats, Snapshot

_BREATHER: Final = 0.1
"""Seconds of rest after something other than the exporter failed."""
_LAST_LINE: Final = 0.5
"""Seconds that the end may take beyond the deadline, for the log to say why it took so long."""
_SETTLING: Final = 0.1
"""Seconds of rest for an exporter in a forked child. Most children that become another program have done so by then,
and would leave a half-written file behind."""


@runtime_checkable
class Exporter(Protocol):
    """An exporter sends the records somewhere. Both methods run in one thread that serves this exporter alone.

    Its exceptions are counted, the first is logged, and it is called again. The events of a failed call count as
    dropped: only the exporter knows which of them it had sent, and sending some twice would be false. If it hangs, only
    its own thread waits; events that it has no time for are dropped and counted.

    If the program has no thread but the one that forks, the exporter's thread ends before the fork and another one goes
    on afterwards, between two calls. Threads that an exporter starts make way in the same manner if they are
    `UnobservedThread`s.

    A forked child goes on calling it. If it has a method `after_fork_in_child()`, the child calls that first, to
    replace the threads, sockets and locks that did not survive the fork. The last export and the shutdown at exit are
    the parent's, unless that method returns True; then they happen in the child as well.

    If it has a method `finish_by(deadline)`, that is called at the request to stop, in another thread and perhaps
    during an export: the exporter should finish before `deadline`, a point of `time.monotonic`.
    """

    def export(self, snapshot: Snapshot, events: Sequence[Event]) -> int | None:
        """Export. Called every `export_interval`, sooner if many events have come, and once more at the end.

        `events` are those since the last call, oldest first. May return the number of events that it had to drop; they
        count into `Snapshot.dropped_events`.
        """

    def shutdown(self, timeout: float) -> None:
        """Release everything within `timeout` seconds. Called once, after the last export."""


class ExportError(Exception):
    """A failed delivery, raised by an exporter. It is one line in the log, without a traceback.

    `dropped` of the events are lost; for any other exception all of them count as lost.
    """

    def __init__(self, message: str, dropped: int = 0) -> None:
        super().__init__(message)
        self.dropped = dropped


def check_exporter(exporter: object) -> Exporter:
    """Return the object itself. Raises TypeError unless it is an exporter."""
    wanted = "an exporter, an object with export(snapshot, events) and shutdown(timeout), or the name of one"
    if isinstance(exporter, type):
        raise TypeError(f"expected {wanted}, got the class {exporter.__qualname__} instead of an instance of it")
    for method in ("export", "shutdown"):
        if not callable(getattr(exporter, method, None)):
            raise TypeError(f"expected {wanted}, got {exporter!r}, which has no method {method!r}")
    assert isinstance(exporter, Exporter)
    return exporter


class Worker:
    """Calls one exporter, from its start to its shutdown, in a thread of its own."""

    def __init__(
        self,
        exporter: Exporter,
        name: str,
        *,
        settings: Callable[[], Settings],
        snapshot: Callable[[], Snapshot],
        count_dropped: Callable[[int], object],
        forked: bool = False,
    ) -> None:
        self.exporter = exporter
        self.name = name
        self._settings = settings
        self._snapshot = snapshot
        self._count_dropped = count_dropped
        self._events: deque[Event] = deque()
        self._thread = UnobservedThread(self._run, self.wake)
        self._alarm = Alarm()
        self._rested_since = monotonic()
        self._deadline: float | None = None
        self._at_exit = False
        self._ends_at_exit: bool | None = None if forked else True
        self._abandoned = False
        self._enders = count()
        self._finished = Flag()
        self._ident = 0
        self._called_at = 0.0
        self._reported_call = 0.0
        self._errors = InternalErrorLog()
        self._exports = 0
        self._failures = 0
        self._dropped = 0
        self._exported_ns: int | None = None

    def start(self) -> None:
        """Begin to export. Raises RuntimeError if no thread can be started."""
        self._thread.start()

    @property
    def is_ending(self) -> bool:
        """True after a request to stop."""
        return self._deadline is not None

    @property
    def stats(self) -> ExporterStats:
        """Counts of its exports, failures and lost events."""
        at = self._exported_ns
        return ExporterStats(
            self.name, self._exports, self._failures, self._dropped, None if at is None else clock.unix_time(at)
        )

    def offer(self, events: Sequence[Event]) -> None:
        """Queue events for the next export. Events for which there is no room are counted."""
        room = max(self._settings().event_capacity - len(self._events), 0)
        self._events.extend(events[:room])
        self._drop(len(events) - room)
        if self._has_many_events():
            self.wake()
        if self._finished.is_set:
            self._drop(len(self._take_events()))

    def wake(self) -> None:
        """Wake the worker to look again at the settings and at its queue."""
        self._alarm.ring()

    def report_if_hung(self) -> None:
        """Count a call that has not returned for `export_timeout`."""
        called_at = self._called_at
        limit = self._settings().export_timeout
        if called_at and called_at != self._reported_call and monotonic() - called_at > limit:
            self._reported_call = called_at
            self._failures += 1
            self._errors.report(f"the exporter {self.name} has not returned for {limit:g} s; the program goes on")

    def stop(self, deadline: float, *, at_exit: bool = False) -> bool:
        """Ask for the last export and the shutdown before `deadline`, a point of `clock.monotonic`. Does not wait.

        Returns whether they will happen. With `at_exit` they do not if they are the parent's.
        """
        self._at_exit = at_exit
        if self._deadline is None:
            self._deadline = deadline
        self.wake()
        return not at_exit or self._ends_at_exit is not False

    def wait_until_finished(self) -> None:
        """Wait for the end that `stop` asked for, until the deadline given there. A slower exporter is left behind."""
        assert self._deadline is not None
        if self._ident == get_ident():
            return
        if not self._thread.is_running and not self._finished.is_set:
            # It made way for a fork while the process exits, when no thread can be started any more.
            deadline = self._deadline
            self._thread.run_here(lambda: self._end(deadline))
        if not self._finished.wait(self._deadline - monotonic()):
            self._drop(len(self._take_events()))
            self._errors.report(f"the exporter {self.name} did not stop in time; the program goes on")

    def wait_until_logged(self, deadline: float) -> None:
        """Wait until this exporter's first error, if there is one, is in the log."""
        self._errors.wait_until_written(max(deadline - monotonic(), _LAST_LINE))

    def abandon(self) -> None:
        """Do not call the exporter again."""
        self._abandoned = True
        self._deadline = 0.0
        self.wake()

    def successor_in_child(self) -> Worker:
        """A worker for the exporter in a forked child, where this worker has no thread, or one that is to end."""
        return Worker(
            self.exporter,
            self.name,
            settings=self._settings,
            snapshot=self._snapshot,
            count_dropped=self._count_dropped,
            forked=True,
        )

    def tell_deadline(self) -> None:
        """Tell the exporter its deadline, even while it is being called."""
        try:
            hook = getattr(self.exporter, "finish_by", None)
            if callable(hook) and not self._abandoned:
                hook(self._deadline)
        except Exception as error:
            self._errors.report(f"the exporter {self.name} failed; further failures are counted, not logged", error)

    def _run(self) -> None:
        self._ident = get_ident()
        try:
            while not (self._finished.is_set or self._thread.is_leaving):
                try:
                    self._step()
                except Exception:
                    # Out of memory, for example. Go on, but not at once.
                    core.count_internal_error()
                    self._alarm.sleep(_BREATHER)
        finally:
            self._ident = 0

    def _arrive(self) -> None:
        if self._ends_at_exit is None:
            self._call(self._arrive_in_child)

    def _arrive_in_child(self) -> None:
        self._ends_at_exit = False
        hook = getattr(self.exporter, "after_fork_in_child", None)
        self._ends_at_exit = callable(hook) and hook() is True

    def _step(self) -> None:
        settled_in = self._rested_since + _SETTLING - monotonic()
        remaining = self._rested_since + self._settings().export_interval - monotonic()
        if self._deadline is not None:
            self._end(self._deadline)
        elif self._ends_at_exit is None and settled_in > 0:
            self._alarm.sleep(settled_in)
        elif self._ends_at_exit is None:
            self._arrive()
        elif remaining <= 0 or self._has_many_events():
            self._export()
            self._rested_since = monotonic()
        else:
            self._alarm.sleep(remaining)

    def _has_many_events(self) -> bool:
        return len(self._events) * 2 > self._settings().event_capacity

    def _export(self) -> None:
        events = self._take_events()
        error = self._call(lambda: self._export_these(events))
        if error is None:
            self._exports += 1
            self._exported_ns = core.monotonic_ns()
        else:
            # It may have sent some of them. Counting too many is better than counting none.
            self._drop(error.dropped if isinstance(error, ExportError) else len(events))

    def _take_events(self) -> tuple[Event, ...]:
        events = []
        # Both this thread and one that gives it up may take them.
        while self._events:
            try:
                events.append(self._events.popleft())
            except IndexError:
                break
        return tuple(events)

    def _export_these(self, events: Sequence[Event]) -> None:
        self._drop(self.exporter.export(self._snapshot(), events) or 0)

    def _drop(self, number: int) -> None:
        if number > 0:
            self._dropped += number
            self._count_dropped(number)

    def _end(self, deadline: float) -> None:
        if next(self._enders):
            # Another thread does it.
            self._finished.wait(deadline - monotonic())
            return
        try:
            self._arrive()
            if not self._abandoned and (self._ends_at_exit or not self._at_exit):
                if monotonic() < deadline:
                    self._export()
                self._call(lambda: self.exporter.shutdown(max(deadline - monotonic(), 0.0)))
        finally:
            self._finished.set()
            self._drop(len(self._take_events()))

    def _call(self, action: Callable[[], object]) -> BaseException | None:
        """Call an action, and return its exception."""
        self._called_at = monotonic()
        try:
            action()
        except ExportError as error:
            self._failures += 1
            self._errors.report(f"the exporter {self.name}: {error}; further failures are counted, not logged")
            return error
        except BaseException as error:
            self._failures += 1
            self._errors.report(f"the exporter {self.name} failed; further failures are counted, not logged", error)
            return error
        finally:
            self._called_at = 0.0
            forget_in_threading()
        return None
