"""The way from the core to the exporters: one drain thread for the events, one worker for each exporter."""

from __future__ import annotations

from _thread import TIMEOUT_MAX
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import cast

from .._backend import core
from .._base.atomic import Counter
from .._inspection.tracebacks import keep_details
from .._process import fork
from .._process.clock import monotonic
from .._process.flags import Alarm, Flag
from .._process.guards import guarded
from .._process.internal_errors import InternalErrorLog, write_the_rest
from .._process.log import guard
from .._process.making_way import bring_back_the_missing
from .._process.own_threads import UnobservedThread
from .._settings.settings import Settings, SettingsChange
from .._settings.table import for_core
from .._views import live_threads, snapshot_reader
from .._views.event_reader import read_events
from .._views.snapshot import ExporterStats, Snapshot
from .._views.snapshot_reader import read_snapshot
from .exporting import Exporter, Worker
from .late import make_now

_MAX_EXPORTERS = 50
"""Limit of exporter names that are counted separately."""
_BATCH_SECONDS = 0.05
_SHARE_OF_LOGGING = 0.1
"""Share of `stop`'s time that is left to log that an exporter used up the rest."""


class Drain:
    """Empties the core's event buffer, so that threads of the program only ever append to it."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._thread = UnobservedThread(self._run, self._wake)
        self._alarm = Alarm()
        self._flushed = Flag()
        self._finished = Flag()
        self._is_finishing = False
        self._calls: deque[Callable[[], object]] = deque()
        self.is_flushing = False
        """True if it passes on no further events."""

    def start(self) -> None:
        """Start its thread. Raises RuntimeError if no thread can be started."""
        self._thread.start()

    def ask_to_flush(self) -> None:
        """Ask it to empty the buffer a last time. Does not wait."""
        self.is_flushing = True
        self._wake()

    def ask_to_finish(self) -> None:
        """Ask it to log the rest after the flush, and to end. Does not wait."""
        self.is_flushing = self._is_finishing = True
        self._wake()

    def wait_until_flushed(self, deadline: float) -> None:
        """Wait for the flush until `deadline`."""
        self._wait_for(self._flushed, deadline)

    def wait_until_finished(self, deadline: float) -> None:
        """Wait for the end until `deadline`."""
        self._wait_for(self._finished, deadline)

    def call_soon(self, function: Callable[[], object]) -> None:
        """Call a function of an exporter in the thread that drains the buffer. Does not wait."""
        self._calls.append(function)
        self._wake()

    def abandon(self) -> None:
        """Do nothing more, in a child where it has no thread."""
        self.is_flushing = self._is_finishing = True
        self._flushed.set()
        self._finished.set()
        self._wake()

    def _wait_for(self, flag: Flag, deadline: float) -> None:
        # Two may sleep, if a signal handler started one while another was being started: each wake ends one sleep.
        while not flag.is_set and monotonic() < deadline:
            self._wake()
            if self._thread.is_running or flag.is_set:
                flag.wait(min(deadline - monotonic(), _BATCH_SECONDS))
            else:
                # It made way for a fork while the process exits, when no thread can be started any more.
                self._thread.run_here(self._step)

    def _wake(self) -> None:
        self._alarm.ring()
        core.wake()

    def _run(self) -> None:
        while not (self._finished.is_set or self._thread.is_leaving):
            try:
                self._step()
            except Exception:
                # Out of memory, for example. Go on, but not at once.
                core.count_internal_error()
                self._alarm.sleep(_BATCH_SECONDS)

    def _step(self) -> None:
        while self._calls:
            self._calls.popleft()()
        if self._flushed.is_set and self._is_finishing:
            write_the_rest()
            self._finished.set()
        elif self._flushed.is_set:
            self._alarm.sleep(TIMEOUT_MAX)
        elif self.is_flushing:
            self._recorder.pass_events_on()
            self._flushed.set()
        else:
            # Every wake costs the program a thread switch, so not every single event causes one.
            if core.wait_for_events(self._recorder.settings.export_timeout):
                self._alarm.sleep(_BATCH_SECONDS)
            self._recorder.pass_events_on()


class Recorder:
    """The state behind `thread.telemetry`. Its methods may be called in any thread, signal handler and finalizer.

    No lock guards it: a signal handler might interrupt the thread that holds the lock, and wait for another thread that
    wants it. Instead, every step is one operation on a dictionary, which no thread switch divides, and code that
    derives one thing from another checks afterwards that it still follows.
    """

    def __init__(self) -> None:
        self.settings = Settings()
        self._changes: SettingsChange = {}
        self._errors = InternalErrorLog()
        self._start_from_zero()

    def _start_from_zero(self) -> None:
        self._drains: dict[int, Drain] = {}
        self._workers: dict[int, Worker] = {}
        self._leaving: dict[int, Worker] = {}
        self._dropped = Counter()

    def configure(self, changes: SettingsChange) -> Settings:
        """Change settings at once, and return those in force. Raises as `Settings` does; then nothing changes."""
        self.settings.changed(changes)
        _whatever_interrupts_it(lambda: self._change(changes))
        return self.settings

    def _change(self, changes: SettingsChange) -> None:
        self._changes.update(changes)
        self._put_in_force()
        for worker in list(self._workers.values()):
            worker.wake()
        core.wake()

    def _put_in_force(self) -> None:
        changes: SettingsChange | None = None
        while changes != self._changes:
            changes = self._changes.copy()
            self.settings = settings = Settings(**changes)
            core.configure(**for_core(asdict(settings)))
            keep_details(settings.exception_details)

    def _listen_if_anybody_wants_events(self) -> None:
        wanted: bool | None = None
        while wanted != bool(self._workers):
            wanted = bool(self._workers)
            core.configure(listening=wanted)

    def snapshot(self) -> Snapshot:
        """Everything recorded until now."""
        guarded(bring_back_the_missing)
        exporters = guarded(self._exporter_stats, otherwise=())
        dropped = guarded(lambda: self._dropped.value, otherwise=0)
        return guarded(read_snapshot, dropped, exporters, otherwise=Snapshot(taken_at=0.0))  # type: ignore[no-any-return]

    def _exporter_stats(self) -> tuple[ExporterStats, ...]:
        by_name: dict[str, list[ExporterStats]] = {}
        for worker in {*list(self._workers.values()), *list(self._leaving.values())}:
            name = worker.name if worker.name in by_name or len(by_name) < _MAX_EXPORTERS else "other"
            by_name.setdefault(name, []).append(worker.stats)
        return tuple([_together(name, stats) for name, stats in by_name.items()])

    @property
    def exporter_names(self) -> frozenset[str]:
        """Names of the running exporters. Those that wait for somebody to need them are made first."""
        make_now()
        return frozenset([worker.name for worker in list(self._workers.values())])

    def begin(self, exporters: Sequence[tuple[str, Exporter]], changes: SettingsChange) -> None:
        """Change settings and add exporters: all of it or nothing. Raises as `configure` and `add` do."""
        before = self._changes.copy()
        new = [(name, each) for name, each in exporters if not self.calls(each)]
        try:
            self.configure(changes)
            for name, each in new:
                self.add(name, each)
        except BaseException:
            _whatever_interrupts_it(lambda: self._take_back([each for _, each in new], changes, before))
            raise

    def _take_back(self, exporters: Sequence[Exporter], changes: SettingsChange, before: SettingsChange) -> None:
        for exporter in exporters:
            worker = self._workers.pop(id(exporter), None)
            if worker is not None:
                worker.abandon()
        self._listen_if_anybody_wants_events()
        kept = {name: value for name, value in self._changes.items() if name not in changes}
        kept |= {name: value for name, value in before.items() if name in changes}
        self._changes = cast("SettingsChange", kept)
        self._put_in_force()

    def add(self, name: str, exporter: Exporter) -> None:
        """Begin to call an exporter, unless it is running already. Raises RuntimeError if no thread can be started."""
        guard()
        if not self.calls(exporter):
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

    def calls(self, exporter: Exporter) -> bool:
        """True if that exporter is running."""
        worker = self._workers.get(id(exporter))
        return worker is not None and not worker.is_ending

    def _count_dropped(self, number: int) -> None:
        for _ in range(number):
            self._dropped.add()

    def _employ(self, worker: Worker) -> None:
        try:
            self._begin_with(worker)
        except BaseException:
            # No thread can be started, or a signal handler raised. Nobody else will end what has begun.
            worker.abandon()
            if self._workers.get(id(worker.exporter)) is worker:
                self._workers.pop(id(worker.exporter), None)
            _whatever_interrupts_it(self._listen_if_anybody_wants_events)
            raise

    def _begin_with(self, worker: Worker) -> None:
        # Started before others can find it, since they may wait for its end.
        worker.start()
        if self._workers.setdefault(id(worker.exporter), worker) is not worker:
            if self.calls(worker.exporter):
                worker.abandon()
            else:
                self._workers[id(worker.exporter)] = worker
        self._see_to_a_drain()
        self._listen_if_anybody_wants_events()

    def _see_to_a_drain(self) -> None:
        if all(drain.is_flushing for drain in list(self._drains.values())):
            drain = Drain(self)
            try:
                drain.start()
                self._drains[id(drain)] = drain
            except BaseException:
                drain.abandon()
                raise

    def stop(self, timeout: float | None = None, *, at_exit: bool = False, only: Exporter | None = None) -> None:
        """Hand the exporters, or `only` that one, the last events and a last snapshot, and shut them down.

        Returns after `timeout` seconds at the latest, `export_timeout` if None. `at_exit` skips exporters that belong
        to the parent of this process. An exception of a signal handler ends only the waiting.
        """
        seconds = self.settings.export_timeout if timeout is None else timeout
        deadline = monotonic() + seconds
        end_of_work = deadline - seconds * _SHARE_OF_LOGGING
        workers = [each for each in list(self._workers.values()) if only is None or each.exporter is only]
        drains = list(self._drains.values()) if len(workers) == len(self._workers) else []
        try:
            self._pass_on_the_last(drains, end_of_work)
        finally:
            _whatever_interrupts_it(lambda: self._ask_to_end(workers, end_of_work, at_exit=at_exit))
        # Also those that another call is stopping at this moment: the process may exit after this one.
        leaving = [each for each in list(self._leaving.values()) if only is None or each.exporter is only]
        try:
            for worker in leaving:
                worker.wait_until_finished()
        finally:
            _whatever_interrupts_it(lambda: self._let_go(drains, leaving))
        for drain in drains:
            drain.wait_until_finished(deadline)
        for worker in leaving:
            worker.wait_until_logged(deadline)

    def _pass_on_the_last(self, drains: Sequence[Drain], deadline: float) -> None:
        if not drains:
            self.pass_events_on()
        for drain in drains:
            drain.ask_to_flush()
            drain.wait_until_flushed(deadline)

    def _ask_to_end(self, workers: Sequence[Worker], deadline: float, *, at_exit: bool) -> None:
        for worker in workers:
            if worker.stop(deadline, at_exit=at_exit):
                self._leaving[id(worker)] = worker
                for drain in list(self._drains.values())[-1:]:
                    # Not here: an exception of a signal handler would count as an error of the exporter.
                    drain.call_soon(worker.tell_deadline)
            if self._workers.get(id(worker.exporter)) is worker:
                self._workers.pop(id(worker.exporter), None)
        self._listen_if_anybody_wants_events()

    def _let_go(self, drains: Sequence[Drain], workers: Sequence[Worker]) -> None:
        for drain in drains:
            drain.ask_to_finish()
            self._drains.pop(id(drain), None)
        for worker in workers:
            self._leaving.pop(id(worker), None)

    def pass_events_on(self) -> None:
        """Give every exporter the events since the last call, and check whether one of them hangs."""
        try:
            events = read_events()
            for worker in list(self._workers.values()):
                worker.offer(events)
                worker.report_if_hung()
        except Exception as error:
            self._errors.report("cannot pass events on to the exporters", error)

    def go_on_in_children(self) -> None:
        """Call the exporters in forked children, after the steps that their libraries have registered by now.

        Libraries make their locks anew in a child, in the order of registration. A worker that waited for such a lock
        at that moment would wait for ever.
        """
        fork.register_last_in_child(self.after_fork_in_child)

    def after_fork_in_child(self) -> None:
        """Go on in a child, where none of the parent's threads runs and every lock that they held stays locked."""
        live_threads.after_fork_in_child()
        snapshot_reader.after_fork_in_child()
        drains, workers = list(self._drains.values()), list(self._workers.values())
        self._errors = InternalErrorLog()
        self._start_from_zero()
        self._listen_if_anybody_wants_events()
        for drain in drains:
            drain.abandon()
        for worker in workers:
            worker.abandon()
            try:
                self._employ(worker.successor_in_child())
            except RuntimeError as error:
                self._errors.report(f"cannot start the exporter {worker.name} in a forked child", error)


def _whatever_interrupts_it(step: Callable[[], object]) -> None:
    """Run a step, and run it again if a signal handler raised meanwhile, so that it is done in any case."""
    try:
        step()
    except BaseException:
        step()
        raise


def _together(name: str, stats: Sequence[ExporterStats]) -> ExporterStats:
    times = [each.last_export_at for each in stats if each.last_export_at is not None]
    return ExporterStats(
        name,
        sum(each.exports for each in stats),
        sum(each.failures for each in stats),
        sum(each.dropped_events for each in stats),
        # The oldest, since it shows that one of them has stopped.
        min(times) if len(times) == len(stats) else None,
    )


recorder = Recorder()
"""The recorder of this process."""
