"""Brings what the core records to the exporters: one drain thread for the events, one worker for each exporter."""

from __future__ import annotations

import os
from _thread import TIMEOUT_MAX
from time import monotonic

from . import _live_threads, _snapshot_reader
from ._atomic import Counter
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

    @property
    def is_flushing(self) -> bool:
        """Whether it passes no more events on than it does already."""
        return self._flushing.is_set

    def flush(self, deadline: float) -> None:
        """Empty the buffer a last time, and wait for that until `deadline`."""
        self._flushing.set()
        core.wake()
        # Two may sleep, where a signal handler started one while another was being started: each wake ends one sleep.
        while not self._flushed.wait(min(deadline - monotonic(), _BATCH_SECONDS)) and monotonic() < deadline:
            core.wake()

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
    """The state behind `thread.telemetry`. Its methods may be called in any thread, signal handler and finalizer.

    No lock guards it: whoever held the lock might be interrupted by one who has to wait for somebody that wants the
    lock. Instead, every step is one operation on a dictionary, which no thread switch divides, and whoever derives
    one thing from another looks afterwards whether it still follows.
    """

    def __init__(self) -> None:
        self.settings = Settings()
        self._changes: SettingsChange = {}
        self._faults = FaultLog()
        self._registration: object = None
        self._start_from_zero()

    def _start_from_zero(self) -> None:
        self._drains: dict[int, Drain] = {}
        self._workers: dict[int, Worker] = {}
        self._leaving: dict[int, Worker] = {}
        self._dropped = Counter()

    def configure(self, changes: SettingsChange) -> Settings:
        """Change settings, at once, and return those in force. Raises as `Settings` does; nothing is changed then."""
        self.settings.changed(changes)
        self._changes.update(changes)
        self._put_in_force()
        for worker in list(self._workers.values()):
            worker.wake()
        core.wake()
        return self.settings

    def _put_in_force(self) -> None:
        changes: SettingsChange | None = None
        while changes != self._changes:
            changes = self._changes.copy()
            self.settings = settings = Settings(**changes)
            core.configure(
                slow_wait_ns=round(settings.slow_wait * 1e9),
                hold_sampling=settings.hold_sampling,
                event_capacity=settings.event_capacity,
                stack_depth=settings.stack_depth,
            )

    def _listen_if_anybody_wants_events(self) -> None:
        wanted: bool | None = None
        while wanted != bool(self._workers):
            wanted = bool(self._workers)
            core.configure(listening=wanted)

    def snapshot(self) -> Snapshot:
        """What was recorded until now."""
        return read_snapshot(dropped_by_exporters=self._dropped.value)

    @property
    def exporter_names(self) -> frozenset[str]:
        """What the exporters at work are called."""
        return frozenset([worker.name for worker in list(self._workers.values())])

    def add(self, name: str, exporter: Exporter) -> None:
        """Begin to call an exporter, unless it is being called already. Raises RuntimeError if no thread can start."""
        if id(exporter) not in self._workers:
            self.go_on_in_children()
            self._employ(
                Worker(
                    exporter,
                    name,
                    settings=lambda: self.settings,
                    snapshot=self.snapshot,
                    count_dropped=self._count_dropped,
                )
            )

    def _count_dropped(self, number: int) -> None:
        for _ in range(number):
            self._dropped.add()

    def _employ(self, worker: Worker) -> None:
        # Started before it is to be found, for whoever finds it may wait for its end.
        worker.start()
        if self._workers.setdefault(id(worker.exporter), worker) is not worker:
            worker.abandon()
        if all(drain.is_flushing for drain in list(self._drains.values())):
            drain = Drain(self)
            drain.start()
            self._drains[id(drain)] = drain
        self._listen_if_anybody_wants_events()

    def stop(
        self, timeout: float | None = None, *, at_exit: bool = False, only: Exporter | None = None
    ) -> None:
        """Hand the exporters, or `only` that one, the last events and a last snapshot, and shut them down.

        Returns after `timeout` seconds at the latest, `export_timeout` if None. `at_exit` leaves those out that
        belong to the parent of this process.
        """
        seconds = self.settings.export_timeout if timeout is None else timeout
        deadline = monotonic() + seconds
        end_of_work = deadline - seconds * _SHARE_OF_LOGGING
        workers = [each for each in list(self._workers.values()) if only is None or each.exporter is only]
        drains: list[Drain] = []
        if len(workers) < len(self._workers):
            self.pass_events_on()
        else:
            drains = list(self._drains.values())
        for drain in drains:
            drain.flush(end_of_work)
        for worker in workers:
            if worker.stop(end_of_work, at_exit=at_exit):
                self._leaving[id(worker)] = worker
            self._workers.pop(id(worker.exporter), None)
        self._listen_if_anybody_wants_events()
        # Also those that another call is stopping at this moment: the process may exit after this one.
        leaving = [each for each in list(self._leaving.values()) if only is None or each.exporter is only]
        for worker in leaving:
            worker.wait_until_finished()
        for drain in drains:
            drain.finish(deadline)
            self._drains.pop(id(drain), None)
        for worker in leaving:
            worker.wait_until_logged(deadline)
            self._leaving.pop(id(worker), None)

    def pass_events_on(self) -> None:
        """Give every exporter the events that came since the last call, and look whether one of them hangs."""
        try:
            events = read_events()
            for worker in list(self._workers.values()):
                worker.offer(events)
                worker.report_if_hung()
        except Exception as error:
            self._faults.report("passing events on to the exporters failed", error)

    def go_on_in_children(self) -> None:
        """Have exporters called in forked children, after what their libraries have registered for that by now.

        These make their locks anew in a child, in the order of registration. A worker that waits for such a lock at
        that moment waits for ever.
        """
        if not hasattr(os, "register_at_fork"):
            return
        registration = self._registration = object()

        def go_on() -> None:
            if registration is self._registration:
                self.after_fork_in_child()

        os.register_at_fork(after_in_child=go_on)

    def after_fork_in_child(self) -> None:
        """Go on in a child, where none of the parent's threads runs and whatever lock they held stays locked."""
        _live_threads.after_fork_in_child()
        _snapshot_reader.after_fork_in_child()
        drains, workers = list(self._drains.values()), list(self._workers.values())
        self._faults = FaultLog()
        self._start_from_zero()
        self._listen_if_anybody_wants_events()
        for drain in drains:
            drain.flush(0.0)
            drain.finish(0.0)
        for worker in workers:
            worker.abandon()
            try:
                self._employ(worker.successor_in_child())
            except RuntimeError as error:
                self._faults.report(f"the exporter {worker.name} could not be started in a forked child", error)


recorder = Recorder()
"""The one of this process."""
