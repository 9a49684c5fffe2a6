from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any

import pytest
from conftest import WaitUntil
from recording import FailingExporter, HangingExporter, RecordingExporter
from rows import lock_names, target_rows

from thread._export.exporting import Exporter, ExportError, Worker, check_exporter
from thread._process.flags import Flag
from thread._process.own_threads import running_threads
from thread._settings.settings import Settings
from thread._views.events import Event
from thread._views.snapshot import Snapshot

NEVER = 3600.0


class Harness:
    """Makes workers whose settings can be changed."""

    def __init__(self) -> None:
        self.settings = Settings(export_interval=NEVER)
        self.workers: list[Worker] = []
        self.snapshots = 0
        self.dropped: list[int] = []

    def start(self, exporter: Exporter, **options: Any) -> Worker:
        worker = self.worker(exporter, **options)
        worker.start()
        return worker

    def worker(self, exporter: Exporter, **options: Any) -> Worker:
        worker = Worker(
            exporter,
            "x",
            settings=lambda: self.settings,
            snapshot=self.snapshot,
            count_dropped=self.dropped.append,
            **options,
        )
        self.workers.append(worker)
        return worker

    def snapshot(self) -> Snapshot:
        self.snapshots += 1
        return Snapshot(taken_at=float(self.snapshots))

    def stop(self, worker: Worker, timeout: float = 10.0, **options: bool) -> bool:
        wanted = worker.stop(time.monotonic() + timeout, **options)
        worker.wait_until_finished()
        return wanted


@pytest.fixture
def harness(core: ModuleType, wait_until: WaitUntil) -> Iterator[Harness]:
    harness, before = Harness(), running_threads()
    yield harness
    for worker in harness.workers:
        if isinstance(worker.exporter, HangingExporter):
            worker.exporter.gate.set()
        worker.stop(0.0)
    wait_until(lambda: all(each in before for each in running_threads()))


def events(count: int) -> list[Any]:
    return [f"event {number}" for number in range(count)]


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "thread.telemetry"]


def test_any_object_with_the_two_methods_is_an_exporter() -> None:
    exporter = RecordingExporter()
    assert isinstance(exporter, Exporter)
    assert check_exporter(exporter) is exporter


class WithoutShutdown:
    def export(self, snapshot: Snapshot, events: Sequence[Event]) -> None: ...


@pytest.mark.parametrize(
    ("wrong", "came"),
    [
        (5, "got 5, which has no method 'export'"),
        (None, "got None, which has no method 'export'"),
        (WithoutShutdown(), "which has no method 'shutdown'"),
        (RecordingExporter, "got the class RecordingExporter instead of an instance of it"),
    ],
)
def test_what_is_no_exporter_is_a_clear_error(wrong: object, came: str) -> None:
    with pytest.raises(
        TypeError, match=r"^expected an exporter, an object with export\(snapshot, events\) and "
    ) as raised:
        check_exporter(wrong)
    assert str(raised.value).endswith(came)


def test_it_exports_at_every_interval(harness: Harness, wait_until: WaitUntil) -> None:
    harness.settings = Settings(export_interval=0.001)
    exporter = RecordingExporter()
    harness.start(exporter)
    wait_until(lambda: len(exporter.snapshots) >= 3)
    assert [snapshot.taken_at for snapshot in exporter.snapshots[:3]] == [1.0, 2.0, 3.0]


def test_a_new_interval_is_in_force_at_once(harness: Harness, wait_until: WaitUntil) -> None:
    exporter = RecordingExporter()
    worker = harness.start(exporter)
    harness.settings = Settings(export_interval=0.001)
    worker.wake()
    wait_until(lambda: exporter.snapshots)


def test_being_woken_is_no_reason_to_export(harness: Harness) -> None:
    exporter = RecordingExporter()
    worker = harness.start(exporter)
    for _ in range(10):
        worker.wake()
    harness.stop(worker)
    assert len(exporter.snapshots) == 1


def test_events_arrive_once_and_in_order(harness: Harness, wait_until: WaitUntil) -> None:
    exporter = RecordingExporter()
    worker = harness.start(exporter)
    harness.settings = Settings(export_interval=0.001)
    for event in events(100):
        worker.offer([event])
    harness.stop(worker)
    assert exporter.events == events(100)


def test_many_events_are_not_left_waiting_for_the_interval(harness: Harness, wait_until: WaitUntil) -> None:
    harness.settings = Settings(export_interval=NEVER, event_capacity=10)
    exporter = RecordingExporter()
    worker = harness.start(exporter)
    worker.offer(events(6))
    wait_until(lambda: exporter.events == events(6))
    assert harness.dropped == []


def test_events_without_room_are_dropped_and_told(harness: Harness, wait_until: WaitUntil) -> None:
    harness.settings = Settings(export_interval=0.001, event_capacity=10)
    exporter = HangingExporter()
    worker = harness.start(exporter)
    wait_until(lambda: exporter.calls == 1)
    for _ in range(3):
        worker.offer(events(8))
    assert harness.dropped == [6, 8]
    exporter.gate.set()
    wait_until(lambda: exporter.events)
    assert exporter.events == events(8) + events(2)


def test_events_that_the_exporter_drops_are_told_as_well(harness: Harness) -> None:
    class Choosy(RecordingExporter):
        def export(self, snapshot: Snapshot, events: Sequence[Event]) -> int | None:
            super().export(snapshot, events)
            return len(events) - 1

    worker = harness.start(Choosy())
    worker.offer(events(3))
    harness.stop(worker)
    assert harness.dropped == [2]


def test_events_left_behind_with_a_hanging_exporter_are_told(harness: Harness, wait_until: WaitUntil) -> None:
    harness.settings = Settings(export_interval=0.001)
    exporter = HangingExporter()
    worker = harness.start(exporter)
    wait_until(lambda: exporter.calls == 1)
    worker.offer(events(5))
    harness.stop(worker, timeout=0.01)
    assert harness.dropped == [5]


def test_it_exports_a_last_time_and_shuts_down(harness: Harness) -> None:
    exporter = RecordingExporter()
    worker = harness.start(exporter)
    worker.offer(events(1))
    assert harness.stop(worker, timeout=10)
    assert len(exporter.snapshots) == 1
    assert exporter.events == events(1)
    (timeout,) = exporter.timeouts
    assert 0 < timeout <= 10


def test_stopping_twice_shuts_down_once(harness: Harness) -> None:
    exporter = RecordingExporter()
    worker = harness.start(exporter)
    harness.stop(worker)
    harness.stop(worker)
    assert len(exporter.timeouts) == 1


def test_without_time_left_it_only_shuts_down(harness: Harness, wait_until: WaitUntil) -> None:
    exporter = RecordingExporter()
    worker = harness.start(exporter)
    worker.stop(time.monotonic() - 1)
    wait_until(lambda: exporter.timeouts == [0.0])
    assert not exporter.snapshots


@pytest.mark.parametrize("error", [ZeroDivisionError("x"), SystemExit(3), KeyboardInterrupt()])
def test_an_exporter_that_raises_is_called_again_and_logged_once(
    harness: Harness,
    core: ModuleType,
    caplog: pytest.LogCaptureFixture,
    wait_until: WaitUntil,
    error: BaseException,
) -> None:
    harness.settings = Settings(export_interval=0.001)
    exporter = FailingExporter(error)
    worker = harness.start(exporter)
    wait_until(lambda: exporter.calls >= 3)
    harness.stop(worker)
    worker.wait_until_logged(time.monotonic() + 10)
    assert len(exporter.timeouts) == 1
    assert core.internal_errors() == exporter.calls + 1
    assert messages(caplog) == ["the exporter x failed; further failures are counted, not logged"]
    assert caplog.records[0].levelno == logging.ERROR
    assert f"{type(error).__name__}" in caplog.text


def test_an_exporter_that_hangs_is_counted_and_logged_once(
    harness: Harness, core: ModuleType, caplog: pytest.LogCaptureFixture, wait_until: WaitUntil
) -> None:
    harness.settings = Settings(export_interval=0.001, export_timeout=0.02)
    exporter = HangingExporter()
    worker = harness.start(exporter)
    wait_until(lambda: exporter.calls == 1)
    worker.report_if_hung()
    assert core.internal_errors() == 0

    def found() -> bool:
        worker.report_if_hung()
        return bool(core.internal_errors() == 1)

    wait_until(found)
    worker.report_if_hung()
    assert core.internal_errors() == 1
    worker.wait_until_logged(time.monotonic() + 10)
    assert messages(caplog) == ["the exporter x has not returned for 0.02 s; the program goes on"]


def test_one_that_hangs_for_ever_is_left_behind(
    harness: Harness, core: ModuleType, caplog: pytest.LogCaptureFixture, wait_until: WaitUntil
) -> None:
    harness.settings = Settings(export_interval=0.001)
    exporter = HangingExporter()
    worker = harness.start(exporter)
    wait_until(lambda: exporter.calls == 1)
    began = time.monotonic()
    harness.stop(worker, timeout=0.05)
    assert 0.05 <= time.monotonic() - began < 60
    worker.wait_until_logged(time.monotonic() + 10)
    assert core.internal_errors() == 1
    assert messages(caplog) == ["the exporter x did not stop in time; the program goes on"]


def test_when_it_comes_back_it_shuts_down_after_all(harness: Harness, wait_until: WaitUntil) -> None:
    harness.settings = Settings(export_interval=0.001)
    exporter = HangingExporter()
    worker = harness.start(exporter)
    wait_until(lambda: exporter.calls == 1)
    harness.stop(worker, timeout=0.001)
    exporter.gate.set()
    wait_until(lambda: exporter.timeouts == [0.0])
    assert exporter.calls == 1


def test_an_exporter_that_hangs_holds_up_no_other(harness: Harness, wait_until: WaitUntil) -> None:
    harness.settings = Settings(export_interval=0.001)
    hanging, other = HangingExporter(), RecordingExporter()
    harness.start(hanging)
    harness.start(other)
    wait_until(lambda: hanging.calls == 1 and len(other.snapshots) >= 3)


def test_an_exporter_may_stop_itself(harness: Harness, core: ModuleType, wait_until: WaitUntil) -> None:
    class Suicidal(RecordingExporter):
        def export(self, snapshot: Snapshot, events: Sequence[Event]) -> None:
            super().export(snapshot, events)
            harness.stop(worker)

    harness.settings = Settings(export_interval=0.001)
    exporter = Suicidal()
    worker = harness.worker(exporter)
    worker.start()
    wait_until(lambda: exporter.timeouts)
    assert core.internal_errors() == 0


def test_what_an_exporter_creates_is_not_observed(harness: Harness, core: ModuleType, wait_until: WaitUntil) -> None:
    kept = []

    class Creative(RecordingExporter):
        def export(self, snapshot: Snapshot, events: Sequence[Event]) -> None:
            kept.append(core.allocate_lock(name="an exporter's own"))
            core.start_new_thread(int, (), name="an exporter's own")
            super().export(snapshot, events)

    exporter = Creative()
    harness.stop(harness.start(exporter))
    assert exporter.snapshots
    assert "an exporter's own" not in lock_names(core) | {row.target for row in target_rows(core)}


def test_what_threading_invents_for_it_is_forgotten_after_every_call(harness: Harness, wait_until: WaitUntil) -> None:
    class Curious(RecordingExporter):
        def export(self, snapshot: Snapshot, events: Sequence[Event]) -> None:
            assert threading.current_thread().daemon
            super().export(snapshot, events)

    before = threading.enumerate()
    harness.settings = Settings(export_interval=0.001)
    exporter = Curious()
    worker = harness.start(exporter)
    wait_until(lambda: exporter.snapshots)
    harness.settings = Settings(export_interval=NEVER)
    worker.wake()
    wait_until(lambda: threading.enumerate() == before)


class Forkable(RecordingExporter):
    def __init__(self, answer: Callable[[], object]) -> None:
        super().__init__()
        self.arrived = 0
        self._answer = answer

    def after_fork_in_child(self) -> object:
        assert not self.snapshots
        self.arrived += 1
        return self._answer()


@pytest.mark.parametrize(("answer", "ends"), [(True, True), (None, False), (False, False), (1, False)])
def test_in_a_child_the_end_at_exit_is_the_parents_unless_the_exporter_wants_it(
    harness: Harness, wait_until: WaitUntil, answer: object, ends: bool
) -> None:
    harness.settings = Settings(export_interval=0.001)
    exporter = Forkable(lambda: answer)
    worker = harness.start(exporter, forked=True)
    wait_until(lambda: exporter.snapshots)
    assert exporter.arrived == 1
    assert harness.stop(worker, at_exit=True) is ends
    wait_until(lambda: worker._finished.wait(0))
    assert len(exporter.timeouts) == ends


def test_in_a_child_an_exporter_that_knows_no_forks_is_exported_to(harness: Harness, wait_until: WaitUntil) -> None:
    harness.settings = Settings(export_interval=0.001)
    exporter = RecordingExporter()
    worker = harness.start(exporter, forked=True)
    wait_until(lambda: exporter.snapshots)
    assert harness.stop(worker)
    assert len(exporter.timeouts) == 1


def test_a_child_that_exits_at_once_still_asks_the_exporter(harness: Harness) -> None:
    exporter = Forkable(lambda: True)
    worker = harness.worker(exporter, forked=True)
    assert worker.stop(time.monotonic() + 10, at_exit=True)
    worker.start()
    worker.wait_until_finished()
    assert (exporter.arrived, len(exporter.snapshots), len(exporter.timeouts)) == (1, 1, 1)


def test_the_successor_in_a_child_calls_the_exporter_and_the_old_worker_never_again(
    harness: Harness, core: ModuleType, wait_until: WaitUntil
) -> None:
    harness.settings = Settings(export_interval=0.001)
    exporter = HangingExporter()
    worker = harness.start(exporter)
    wait_until(lambda: exporter.calls == 1)
    successor = worker.successor_in_child()
    worker.abandon()
    exporter.gate.set()
    wait_until(lambda: worker._finished.wait(0))
    assert (exporter.calls, exporter.timeouts) == (1, [])
    harness.workers[:] = [successor]
    exporter.gate = Flag()
    successor.start()
    wait_until(lambda: exporter.calls == 2)


def test_events_of_a_call_that_raises_count_as_dropped(harness: Harness, wait_until: WaitUntil) -> None:
    harness.settings = Settings(export_interval=0.001)
    exporter = FailingExporter()
    worker = harness.start(exporter)
    worker.offer(events(3))
    wait_until(lambda: sum(harness.dropped) == 3)
    harness.settings = Settings(export_interval=NEVER)
    worker.offer(events(4))
    harness.stop(worker)
    assert sum(harness.dropped) == 7
    assert worker.stats.dropped_events == 7


def test_of_the_events_of_an_export_error_only_those_that_it_names_count_as_dropped(harness: Harness) -> None:
    worker = harness.start(FailingExporter(ExportError("nobody listens", dropped=2)))
    worker.offer(events(5))
    harness.stop(worker)
    assert sum(harness.dropped) == worker.stats.dropped_events == 2


@pytest.mark.parametrize("at", ["once", "the end"])
def test_events_that_come_too_late_count_as_dropped(harness: Harness, wait_until: WaitUntil, at: str) -> None:
    worker = harness.worker(RecordingExporter())
    if at == "once":
        worker.offer(events(3))
    worker.start()
    worker.stop(time.monotonic() - 1)
    wait_until(lambda: worker._finished.is_set)
    if at == "the end":
        worker.offer(events(3))
    wait_until(lambda: sum(harness.dropped) == 3)


def test_exports_that_succeed_and_that_fail_are_counted(harness: Harness, wait_until: WaitUntil) -> None:
    class FailingTwice(RecordingExporter):
        calls = 0

        def export(self, snapshot: Snapshot, events: Sequence[Event]) -> None:
            self.calls += 1
            if self.calls <= 2:
                raise ZeroDivisionError

    harness.settings = Settings(export_interval=0.001)
    before = time.time()
    worker = harness.start(FailingTwice())
    assert worker.stats.last_export_at is None
    wait_until(lambda: worker.stats.exports >= 2)
    assert (worker.stats.name, worker.stats.failures) == ("x", 2)
    assert worker.stats.last_export_at is not None
    assert before - 0.01 <= worker.stats.last_export_at <= time.time() + 0.01


def test_a_call_that_hangs_is_a_failure(harness: Harness, wait_until: WaitUntil) -> None:
    harness.settings = Settings(export_interval=0.001, export_timeout=0.001)
    exporter = HangingExporter()
    worker = harness.start(exporter)

    def found() -> bool:
        worker.report_if_hung()
        return worker.stats.failures == 1

    wait_until(found)
    exporter.gate.set()
    wait_until(lambda: worker.stats.exports > 1)
    assert worker.stats.failures == 1


def test_what_fails_beside_the_exporter_does_not_end_its_worker(
    harness: Harness, core: ModuleType, wait_until: WaitUntil
) -> None:
    def fail() -> Settings:
        raise MemoryError

    exporter = RecordingExporter()
    worker = harness.worker(exporter)
    worker._settings, settings = fail, worker._settings
    worker.start()
    wait_until(lambda: core.internal_errors() > 0)
    worker._settings = settings
    harness.stop(worker)
    assert len(exporter.snapshots) == len(exporter.timeouts) == 1
