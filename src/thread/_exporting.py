"""What an exporter is, and the worker that calls it: each in a thread of its own, so that none can hold up another."""

from __future__ import annotations

from _thread import get_ident
from collections import deque
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Protocol, runtime_checkable

from ._events import Event
from ._faults import FaultLog
from ._own_threads import Flag, forget_in_threading, start_own_thread
from ._settings import Settings
from ._snapshot import Snapshot


@runtime_checkable
class Exporter(Protocol):
    """Sends what was recorded somewhere. Both methods are called in one thread that serves this exporter alone.

    What it raises is counted and logged once, and it is called again. While it hangs, nobody waits for it but this
    thread; events that it has no time for are dropped and counted.

    An exporter that can live in a forked child also has a method `after_fork_in_child()`. It is called there before
    anything else; sockets, threads and locks are then those that the fork left. In a child, an exporter without it
    goes on being called every `export_interval`, but neither for a last export nor to shut down when the child exits.
    """

    def export(self, snapshot: Snapshot, events: Sequence[Event]) -> None:
        """Called every `export_interval`, sooner when many events have come, and once more at the end.

        `events` are those that happened since the last call, oldest first.
        """

    def shutdown(self, timeout: float) -> None:
        """Called once, after the last export: let go of everything within `timeout` seconds."""


def check_exporter(exporter: object) -> Exporter:
    """The object itself. Raises TypeError unless it is an exporter."""
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
        forked: bool = False,
    ) -> None:
        self.exporter = exporter
        self.name = name
        self._settings = settings
        self._snapshot = snapshot
        self._forked = forked
        self._events: deque[Event] = deque()
        self._wakeup = Flag()
        self._finished = Flag()
        self._deadline: float | None = None
        self._ident = 0
        self._called_at = 0.0
        self._found_hung_at = 0.0
        self._faults = FaultLog()

    def start(self) -> None:
        """Begin to export. Raises RuntimeError if no thread can be started."""
        start_own_thread(self._run)

    def offer(self, events: Sequence[Event]) -> int:
        """Queue events for the next export. Returns how many there was no room for."""
        capacity = self._settings().event_capacity
        room = max(capacity - len(self._events), 0)
        self._events.extend(events[:room])
        if self._many_events():
            self.wake()
        return max(len(events) - room, 0)

    def wake(self) -> None:
        """Look again at the settings and the queue."""
        self._wakeup.set()

    def look_after(self) -> None:
        """Report the exporter if it has not returned for `export_timeout`."""
        called_at = self._called_at
        limit = self._settings().export_timeout
        if called_at and called_at != self._found_hung_at and monotonic() - called_at > limit:
            self._found_hung_at = called_at
            self._faults.report(f"exporter {self.name} has not returned for {limit:g} s; the program goes on without it")

    def stop(self, deadline: float) -> None:
        """Ask for the last export and the shutdown, to be done before a point of `time.monotonic`. Does not wait."""
        if self._deadline is None:
            self._deadline = deadline
        self.wake()

    def wait_until_finished(self, deadline: float) -> None:
        """Wait for what `stop` asked for; when its time is up, report the exporter and leave it behind."""
        if self._ident == get_ident():
            return
        if self._deadline is not None:
            deadline = min(deadline, self._deadline)
        if not self._finished.wait(deadline - monotonic()):
            self._faults.report(f"exporter {self.name} did not finish in time and was left behind")

    def wait_until_faults_are_logged(self, deadline: float) -> None:
        """Let the log line be written before the process ends."""
        self._faults.wait_until_written(deadline - monotonic())

    def abandon(self) -> None:
        """Never call the exporter again."""
        self._snapshot = _no_more_calls
        self.stop(0.0)

    def in_forked_child(self) -> Worker:
        """Its successor in a child: the exporter lives on, the thread and whatever it held do not."""
        successor = Worker(
            self.exporter, self.name, settings=self._settings, snapshot=self._snapshot, forked=True
        )
        # The thread that forked may have been this very one: in the child it goes on from the fork, and must end.
        self.abandon()
        return successor

    @property
    def ends_with_process(self) -> bool:
        """Whether the exporter wants a last export and a shutdown when this process exits."""
        return not self._forked or self._after_fork is not None

    @property
    def _after_fork(self) -> Callable[[], object] | None:
        hook = getattr(self.exporter, "after_fork_in_child", None)
        return hook if callable(hook) else None

    def _run(self) -> None:
        self._ident = get_ident()
        try:
            if self._forked and self._after_fork is not None:
                self._call(self._after_fork)
            exported_at = monotonic()
            while self._deadline is None:
                self._wakeup.take(exported_at + self._settings().export_interval - monotonic())
                ...
        finally:
            self._finished.set()
