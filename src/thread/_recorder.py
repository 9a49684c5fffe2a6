"""Brings what the core records to the exporters: one drain thread for the events, one worker for each exporter."""

from __future__ import annotations

from _thread import TIMEOUT_MAX, RLock
from time import monotonic

from . import _live_threads, _snapshot_reader
from ._backend import core
from ._event_reader import read_events
from ._exporting import Exporter, Worker
from ._faults import FaultLog, write_the_rest
from ._own_threads import Flag, start_own_thread
from ._settings import Settings, SettingsChange
from ._snapshot import Snapshot
from ._snapshot_reader import read_snapshot

_BATCH_SECONDS = 0.05
_SHARE_OF_LOGGING = 0.1
"""Of the time that `stop` has, to log that an exporter used up the rest."""


class Drain:
    """Empties the core's event buffer, so that no thread of the program ever does more than append to it."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._flushing = Flag()
        self._flushed = Flag()
        self._finishing = Flag()
        self._finished = Flag()

    def start(self) -> None:
        """Raises RuntimeError if no thread can be started."""
        start_own_thread(self._run)

    def flush(self, deadline: float) -> None:
        """Empty the buffer a last time, and wait for that until `deadline`."""
        self._flushing.set()
        core.wake()
        self._flushed.wait(deadline - monotonic())

    def finish(self, deadline: float) -> None:
        """Log what is left to log after the flush, and wait for that until `deadline`."""
        self._finishing.set()
        self._finished.wait(deadline - monotonic())

    def _run(self) -> None:
        try:
            flushing = False
            while not flushing:
                core.wait_for_events(self._recorder.settings.export_timeout)
                # Being woken costs the program a switch of threads, so it is not done for every single event.
                flushing = self._flushing.wait(_BATCH_SECONDS)
                self._recorder.pass_events_on()
            self._flushed.set()
            self._finishing.wait(TIMEOUT_MAX)
            write_the_rest()
        finally:
            self._flushed.set()
            self._finished.set()


class Recorder:
    """The state behind `thread.telemetry`. Its methods may be called in any thread and in signal handlers."""

    def __init__(self) -> None:
        self.settings = Settings()
        self._faults = FaultLog()
        self._start_from_zero()

    def _start_from_zero(self) -> None:
        # Guards assignments only, and is re-entrant: a signal handler may stop what it interrupted the start of.
        self._guard = RLock()
        self._drain: Drain | None = None
        self._workers: tuple[Worker, ...] = ()
        self._leaving: tuple[Worker, ...] = ()
        self._dropped = 0

    def configure(self, changes: SettingsChange) -> Settings:
        """Change settings, at once, and return those in force. Raises as `Settings` does; nothing is changed then."""
        with self._guard:
            self.settings = settings = self.settings.changed(changes)
            core.configure(
                slow_wait_ns=round(settings.slow_wait * 1e9),
                hold_sampling=settings.hold_sampling,
                event_capacity=settings.event_capacity,
                stack_depth=settings.stack_depth,
            )
        for worker in self._workers:
            worker.wake()
        core.wake()
        return settings

    def snapshot(self) -> Snapshot:
        """What was recorded until now. Takes no lock."""
        return read_snapshot(dropped_by_exporters=self._dropped)

    @property
    def exporter_names(self) -> frozenset[str]:
        """What the exporters at work are called."""
        return frozenset([worker.name for worker in self._workers])

    def add(self, name: str, exporter: Exporter) -> None:
        """Begin to call an exporter, unless it is being called already. Raises RuntimeError if no thread can start."""
        with self._guard:
            if not any(worker.exporter is exporter for worker in self._workers):
                self._employ(Worker(exporter, name, settings=lambda: self.settings, snapshot=self.snapshot))

    def _employ(self, worker: Worker) -> None:
        worker.start()
        self._workers += (worker,)
        if self._drain is None:
            drain = Drain(self)
            drain.start()
            self._drain = drain
            core.configure(listening=True)

    def stop(self, timeout: float | None = None, *, at_exit: bool = False) -> None:
        """Hand the exporters the last events and a last snapshot, and shut them down.

        Returns after `timeout` seconds at the latest, `export_timeout` if None. `at_exit` leaves those out that
        belong to the parent of this process.
        """
        seconds = self.settings.export_timeout if timeout is None else timeout
        deadline = monotonic() + seconds
        end_of_work = deadline - seconds * _SHARE_OF_LOGGING
        drain = self._drain
        if drain is not None:
            drain.flush(end_of_work)
        with self._guard:
            for worker in self._workers:
                if worker.stop(end_of_work, at_exit=at_exit):
                    self._leaving += (worker,)
            self._workers = ()
            self._drain = None
            core.configure(listening=False)
        # Also those that another call is stopping at this moment: the process may exit after this one.
        leaving = self._leaving
        for worker in leaving:
            worker.wait_until_finished()
        if drain is not None:
            drain.finish(deadline)
        for worker in leaving:
            worker.wait_until_logged(deadline)
        with self._guard:
            self._leaving = tuple([worker for worker in self._leaving if worker not in leaving])

    def pass_events_on(self) -> None:
        """Give every exporter the events that came since the last call, and look whether one of them hangs."""
        try:
            events = read_events()
            for worker in self._workers:
                self._dropped += worker.offer(events)
                worker.report_if_hung()
        except Exception as error:
            self._faults.report("passing events on to the exporters failed", error)

    def after_fork_in_child(self) -> None:
        """Go on in a child, where none of the parent's threads runs and whatever lock they held stays locked."""
        _live_threads.after_fork_in_child()
        _snapshot_reader.after_fork_in_child()
        drain, workers = self._drain, self._workers
        core.configure(listening=False)
        self._faults = FaultLog()
        self._start_from_zero()
        if drain is not None:
            drain.flush(0.0)
            drain.finish(0.0)
        for worker in workers:
            try:
                self._employ(worker.in_forked_child())
            except RuntimeError as error:
                self._faults.report(f"the exporter {worker.name} could not be started in a forked child", error)


recorder = Recorder()
"""The one of this process."""
