from __future__ import annotations

import os
import signal
import time
from textwrap import dedent
from types import ModuleType
from typing import Any

import pytest
from conftest import WaitUntil
from programs import output_of
from recording import FailingExporter, HangingExporter, RecordingExporter
from rows import finished_threads

from thread._export.exporting import Worker
from thread._export.recorder import recorder
from thread._views.events import ThreadFinished

SUPPORT = os.path.join(os.path.dirname(__file__), os.pardir, "support")
OFTEN = 0.001


def finished_events(exporter: RecordingExporter) -> int:
    return sum(isinstance(event, ThreadFinished) for event in exporter.events)


def test_events_reach_every_exporter(telemetry: ModuleType, core: ModuleType, wait_until: WaitUntil) -> None:
    first, second = RecordingExporter(), RecordingExporter()
    telemetry.start(first, second, export_interval=OFTEN)
    for _ in range(5):
        core.start_new_thread(int, ())
    wait_until(lambda: finished_events(first) == finished_events(second) == 5)


def test_stop_hands_over_what_happened_just_before(
    telemetry: ModuleType, core: ModuleType, wait_until: WaitUntil
) -> None:
    exporter = RecordingExporter()
    telemetry.start(exporter, export_interval=3600)
    for _ in range(5):
        core.start_new_thread(int, (), name="last minute")
    wait_until(lambda: finished_threads(core) == 5)
    wait_until(lambda: not core.read_live_threads())
    telemetry.stop()
    assert finished_events(exporter) == 5
    assert next(threads.finished for threads in exporter.snapshots[-1].threads if threads.target == "last minute") == 5
    assert len(exporter.timeouts) == 1


def test_events_are_buffered_for_exporters_only(telemetry: ModuleType, core: ModuleType, wait_until: WaitUntil) -> None:
    def finish_one() -> None:
        before = finished_threads(core)
        core.start_new_thread(int, ())
        wait_until(lambda: finished_threads(core) == before + 1 and not core.read_live_threads())

    telemetry.start()
    finish_one()
    assert core.take_events() == []
    telemetry.start(RecordingExporter())
    telemetry.stop()
    finish_one()
    assert core.take_events() == []


def test_after_stop_nothing_of_ours_runs(telemetry: ModuleType, core: ModuleType, wait_until: WaitUntil) -> None:
    telemetry.start(RecordingExporter(), RecordingExporter())
    wait_until(lambda: core.untracked_count() == 3)
    telemetry.stop()
    wait_until(lambda: core.untracked_count() == 0)
    assert not (recorder._workers or recorder._leaving or recorder._drains)


def test_it_can_be_started_again(telemetry: ModuleType, core: ModuleType, wait_until: WaitUntil) -> None:
    for rounds in range(1, 4):
        exporter = RecordingExporter()
        telemetry.start(exporter, export_interval=OFTEN)
        core.start_new_thread(int, ())
        wait_until(lambda exporter=exporter: finished_events(exporter) == 1)
        telemetry.stop()
        assert len(exporter.timeouts) == 1, rounds


def test_an_exporter_that_is_at_work_is_not_started_twice(telemetry: ModuleType, core: ModuleType) -> None:
    exporter = RecordingExporter()
    telemetry.start(exporter)
    telemetry.start(exporter)
    telemetry.stop()
    assert len(exporter.timeouts) == 1


def test_two_threads_that_start_it_at_once_start_it_once(telemetry: ModuleType, wait_until: WaitUntil) -> None:
    exporter = RecordingExporter()
    telemetry.start(export_interval=OFTEN)
    for _ in range(2):
        worker = Worker(
            exporter,
            "x",
            settings=lambda: recorder.settings,
            snapshot=recorder.snapshot,
            count_dropped=recorder._count_dropped,
        )
        recorder._employ(worker)
    wait_until(lambda: len(exporter.snapshots) > 2)
    telemetry.stop()
    assert len(exporter.timeouts) == 1


def test_stop_without_start_does_nothing(telemetry: ModuleType) -> None:
    telemetry.stop()
    telemetry.stop(timeout=0)


def test_stop_is_not_held_up_by_exporters_that_hang_or_raise(
    telemetry: ModuleType, core: ModuleType, caplog: pytest.LogCaptureFixture, wait_until: WaitUntil
) -> None:
    hanging, other, failing = HangingExporter(), RecordingExporter(), FailingExporter()
    telemetry.start(hanging, other, failing, export_interval=3600, export_timeout=5)
    began = time.monotonic()
    telemetry.stop()
    took = time.monotonic() - began
    hanging.gate.set()
    assert took < 60
    assert len(other.snapshots) == len(other.timeouts) == 1
    assert core.internal_errors() == 3
    assert sorted(record.getMessage() for record in caplog.records) == [
        "the exporter FailingExporter failed; further failures are counted, not logged",
        "the exporter HangingExporter did not stop in time; the program goes on",
    ]
    wait_until(lambda: core.untracked_count() == 0)


def test_a_second_stop_does_not_wait_for_what_was_left_behind(
    telemetry: ModuleType, core: ModuleType, wait_until: WaitUntil
) -> None:
    hanging = HangingExporter()
    telemetry.start(hanging)
    telemetry.stop(timeout=0.01)
    began = time.monotonic()
    telemetry.stop(timeout=100)
    took = time.monotonic() - began
    hanging.gate.set()
    assert took < 60
    wait_until(lambda: core.untracked_count() == 0)


def test_two_threads_that_stop_both_return_when_it_is_done(
    telemetry: ModuleType, core: ModuleType, wait_until: WaitUntil
) -> None:
    hanging = HangingExporter()
    telemetry.start(hanging)
    returned = []

    def stop() -> None:
        telemetry.stop(timeout=30)
        returned.append(len(hanging.timeouts))

    with telemetry.hidden():
        core.start_new_thread(stop, ())
        core.start_new_thread(stop, ())
    wait_until(lambda: hanging.calls == 1)
    time.sleep(0.02)
    assert not returned
    hanging.gate.set()
    wait_until(lambda: returned == [1, 1])


def test_an_exporter_that_hangs_is_noticed_while_the_program_runs(
    telemetry: ModuleType, core: ModuleType, caplog: pytest.LogCaptureFixture, wait_until: WaitUntil
) -> None:
    hanging = HangingExporter()
    telemetry.start(hanging, export_interval=OFTEN, export_timeout=0.05)
    wait_until(lambda: telemetry.snapshot().coverage.faults == 1)
    wait_until(
        lambda: (
            [r.getMessage() for r in caplog.records]
            == ["the exporter HangingExporter has not returned for 0.05 s; the program goes on"]
        )
    )
    hanging.gate.set()


def test_a_shorter_time_out_is_in_force_at_once(telemetry: ModuleType, wait_until: WaitUntil) -> None:
    hanging = HangingExporter()
    telemetry.start(hanging, export_interval=OFTEN, export_timeout=3600)
    wait_until(lambda: hanging.calls == 1)
    time.sleep(0.1)  # by now the drain thread sleeps for an hour
    telemetry.configure(export_timeout=0.05)
    wait_until(lambda: telemetry.snapshot().coverage.faults == 1)
    hanging.gate.set()


def test_settings_changed_while_others_are_being_put_in_force(
    telemetry: ModuleType, core: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_force: dict[str, float] = {}
    interrupted = []

    def configure(**settings: float) -> None:
        if not interrupted:
            interrupted.append(True)
            telemetry.configure(event_capacity=7)
        in_force.update(settings)

    monkeypatch.setattr(core, "configure", configure)
    returned = telemetry.configure(stack_depth=5)
    assert (returned.stack_depth, returned.event_capacity) == (5, 7)
    assert (in_force["stack_depth"], in_force["event_capacity"]) == (5, 7)


def test_a_start_while_a_stop_ends_the_listening(
    telemetry: ModuleType, core: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine = core.configure
    in_force: dict[str, float] = {}
    exporter = RecordingExporter()

    def configure(**settings: float) -> None:
        if settings == {"listening": False} and not recorder._workers and not exporter.timeouts:
            exporter.timeouts.append(0.0)
            telemetry.start(exporter)
        in_force.update(settings)
        genuine(**settings)

    telemetry.start(RecordingExporter())
    with monkeypatch.context() as patched:
        patched.setattr(core, "configure", configure)
        telemetry.stop()
    assert in_force["listening"] is True


def test_one_exporter_is_stopped_with_its_last_events_and_the_others_go_on(
    telemetry: ModuleType, core: ModuleType, wait_until: WaitUntil
) -> None:
    leaving, staying = RecordingExporter(), RecordingExporter()
    telemetry.start(leaving, staying, export_interval=3600)
    core.start_new_thread(int, ())
    wait_until(lambda: any(threads.finished for threads in telemetry.snapshot().threads))
    telemetry.stop(only=leaving)
    assert (len(leaving.timeouts), finished_events(leaving)) == (1, 1)
    assert staying.timeouts == []
    core.start_new_thread(int, ())
    wait_until(lambda: sum(threads.finished for threads in telemetry.snapshot().threads) == 2)
    telemetry.stop()
    assert (finished_events(leaving), finished_events(staying)) == (1, 2)


def test_events_that_an_exporter_has_no_time_for_are_counted(
    telemetry: ModuleType, core: ModuleType, wait_until: WaitUntil
) -> None:
    hanging, other = HangingExporter(), RecordingExporter()
    before = telemetry.snapshot().dropped_events
    telemetry.start(hanging, other, export_interval=OFTEN, event_capacity=4)
    wait_until(lambda: hanging.calls == 1)
    for number in range(1, 11):
        core.start_new_thread(int, ())
        wait_until(lambda number=number: finished_events(other) == number)
    assert telemetry.snapshot().dropped_events - before == 6
    hanging.gate.set()


def test_a_fault_while_passing_events_on_is_logged_and_passing_on_goes_on(
    telemetry: ModuleType,
    core: ModuleType,
    caplog: pytest.LogCaptureFixture,
    wait_until: WaitUntil,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    exporter = RecordingExporter()
    with monkeypatch.context() as broken:
        broken.setattr("thread._export.recorder.read_events", lambda: 1 // 0)
        telemetry.start(exporter, export_interval=OFTEN)
        core.wake()
        wait_until(lambda: "cannot pass events on to the exporters" in caplog.text)
    core.start_new_thread(int, ())
    wait_until(lambda: finished_events(exporter) == 1)


USES_EVERYTHING = """
import _thread, signal, time
import thread
from thread import telemetry
from recording import RecordingExporter

main = _thread.get_ident()
calls = [0]
depth = [0]

def use(*_):
    if depth[0] > 3:
        return
    depth[0] += 1
    try:
        use_everything()
    finally:
        depth[0] -= 1

def use_everything():
    calls[0] += 1
    telemetry.snapshot()
    telemetry.configure(stack_depth=10 + calls[0] % 10)
    telemetry.start(RecordingExporter())
    # In a thread of ours, where finalizers run as well, it would wait for itself. Elsewhere it waits for
    # threads of ours that may have a lot to finalize, each time with all this.
    if calls[0] % 3 == 0 and _thread.get_ident() == main:
        telemetry.stop(30)

class Finalized:
    def __init__(self):
        self.me = self
    def __del__(self):
        use()

signal.signal(signal.SIGALRM, use)
signal.setitimer(signal.ITIMER_REAL, 0.003, 0.003)
deadline = time.monotonic() + 0.5
while time.monotonic() < deadline or calls[0] <= 20:
    Finalized()
    use()
signal.setitimer(signal.ITIMER_REAL, 0)
Finalized.__del__ = lambda self: None
telemetry.stop(30)
print(calls[0] > 20, telemetry.snapshot().coverage.faults)
"""


def test_a_signal_handler_and_a_finalizer_may_do_anything(telemetry: ModuleType) -> None:
    assert output_of(
        USES_EVERYTHING,
        PYTHONPATH=os.pathsep.join([SUPPORT, os.environ.get("PYTHONPATH", "")]),
    ) == ["True 0"]


def test_there_is_one_recorder(telemetry: ModuleType) -> None:
    telemetry.configure(stack_depth=5)
    assert recorder.settings.stack_depth == 5


def test_a_snapshot_tells_what_became_of_exports(telemetry: ModuleType, wait_until: WaitUntil) -> None:
    first, second = RecordingExporter(), RecordingExporter()
    telemetry.start(first, second, FailingExporter(), export_interval=OFTEN)

    def stats(name: str) -> Any:
        return next(each for each in telemetry.snapshot().exporters if each.name == name)

    wait_until(lambda: stats("RecordingExporter").last_export_at and stats("FailingExporter").failures > 1)
    assert len(telemetry.snapshot().exporters) == 2
    assert stats("RecordingExporter").failures == stats("FailingExporter").exports == 0
    assert stats("FailingExporter").last_export_at is None
    telemetry.stop()
    assert telemetry.snapshot().exporters == ()
    assert {each.name for each in first.snapshots[-1].exporters} >= {"RecordingExporter"}


INTERRUPTED = """
import itertools, random, signal, sys, time
from thread import telemetry
from thread._export.recorder import recorder

class Alarm(Exception):
    pass

def handler(*_):
    raise Alarm

class Exporter:
    events = exports = ends = 0
    def export(self, snapshot, events):
        Exporter.exports += 1
        self.events += len(events)
    def shutdown(self, timeout):
        self.ends += 1

def interrupted(action, tries=400):
    raised = 0
    for _ in range(tries):
        try:
            signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-6, 4e-4))
            while True:
                action()
        except Alarm:
            raised += 1
    signal.setitimer(signal.ITIMER_REAL, 0)
    assert raised == tries, raised

signal.signal(signal.SIGALRM, handler)
"""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="there are no timers here")
def test_what_a_signal_handler_raises_reaches_the_program_and_breaks_nothing() -> None:
    assert output_of(
        INTERRUPTED
        + dedent("""
        numbers = itertools.cycle(range(5, 50))
        interrupted(lambda: telemetry.configure(stack_depth=next(numbers)))
        assert recorder._changes["stack_depth"] == recorder.settings.stack_depth

        def start_and_stop():
            telemetry.start(exporter := Exporter(), export_interval=0.001)
            exporters.append(exporter)
            telemetry.stop()

        exporters = []
        interrupted(start_and_stop)
        interrupted(telemetry.snapshot)
        telemetry.stop()
        deadline = time.monotonic() + 20
        while any(each.ends != 1 for each in exporters) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert all(each.ends == 1 for each in exporters), [each.ends for each in exporters]
        assert not (recorder._workers or recorder._leaving or recorder._drains), vars(recorder)

        last = Exporter()
        telemetry.start(last, export_interval=0.001)
        telemetry.instrument()
        import threading
        for _ in range(50):
            thread = threading.Thread(target=int)
            thread.start()
            thread.join()
        telemetry.stop()
        print(last.events, last.ends, telemetry.snapshot().coverage.faults)
        """)
    ) == ["50 1 0"]


def test_where_no_thread_can_be_started_nothing_is_started(
    telemetry: ModuleType, monkeypatch: pytest.MonkeyPatch, wait_until: WaitUntil
) -> None:
    from thread._process import own_threads, raw_threads

    start, allowed = raw_threads.start_new_thread, [1]

    def refuse(*arguments: Any) -> int:
        if not allowed:
            raise RuntimeError("can't start new thread")
        allowed.pop()
        return int(start(*arguments))

    monkeypatch.setattr(raw_threads, "start_new_thread", refuse)
    before = own_threads.running_threads()
    first, second = RecordingExporter(), RecordingExporter()
    with pytest.raises(RuntimeError, match="can't start new thread"):
        telemetry.start(first, second, stack_depth=3)
    monkeypatch.undo()
    assert telemetry.configure().stack_depth == 64
    assert not (recorder._workers or recorder._drains or recorder.exporter_names)
    wait_until(lambda: all(each in before for each in own_threads.running_threads()))
    assert not first.timeouts  # Nobody has shut down what can be started again.
    telemetry.start(first, second)
    telemetry.stop()
    assert len(first.timeouts) == len(second.timeouts) == 1
