from __future__ import annotations

import dataclasses
import inspect
import io
import sys
import threading
import time
from importlib.metadata import entry_points
from types import ModuleType
from typing import Any

import pytest
from conftest import WaitUntil
from programs import output_of, run
from recording import RecordingExporter
from rows import finished_threads


def test_all_names_everything_and_nothing_else(telemetry: ModuleType) -> None:
    assert sorted(telemetry.__all__) == telemetry.__all__
    for name in telemetry.__all__:
        assert getattr(telemetry, name) is not None


def test_everything_public_is_documented(telemetry: ModuleType) -> None:
    for name in telemetry.__all__:
        if name != "Event":
            assert inspect.getdoc(getattr(telemetry, name)), name


def test_everything_an_exporter_sees_is_frozen_and_slotted(telemetry: ModuleType) -> None:
    for name in telemetry.__all__:
        cls = getattr(telemetry, name)
        if dataclasses.is_dataclass(cls):
            assert cls.__dataclass_params__.frozen, name  # type: ignore[union-attr]
            assert "__dict__" not in dir(cls), name


def test_the_annotations_of_its_functions_can_be_read(telemetry: ModuleType) -> None:
    for name in ("start", "stop", "configure", "snapshot", "exporter"):
        assert inspect.signature(getattr(telemetry, name), eval_str=True)


def test_importing_and_using_it_does_not_import_threading_or_logging() -> None:
    assert output_of(
        """
        import sys
        for name in "threading", "logging", "importlib.metadata":
            assert name not in sys.modules, name

        import thread
        from thread import telemetry

        class Own:
            def export(self, snapshot, events): pass
            def shutdown(self, timeout): pass

        telemetry.start(Own(), slow_wait=0.001)
        telemetry.instrument()
        telemetry.snapshot()
        telemetry.stop()
        print([name for name in ("threading", "logging", "importlib.metadata") if name in sys.modules])
        """
    ) == ["[]"]


def test_what_it_starts_is_not_listed_by_threading(telemetry: ModuleType, wait_until: WaitUntil) -> None:
    before = threading.enumerate()
    exporter = RecordingExporter()
    telemetry.start(exporter, export_interval=0.001)
    wait_until(lambda: len(exporter.snapshots) > 2)
    assert threading.enumerate() == before


def test_what_it_starts_is_not_in_its_own_snapshot(
    telemetry: ModuleType, core: ModuleType, wait_until: WaitUntil
) -> None:
    exporter = RecordingExporter()
    before = telemetry.snapshot()
    telemetry.start(exporter, export_interval=0.001)
    wait_until(lambda: core.untracked_count() == 2 and len(exporter.snapshots) > 2)
    after = telemetry.snapshot()
    assert [lock.name for lock in after.locks] == [lock.name for lock in before.locks]
    assert [threads.target for threads in after.threads] == [threads.target for threads in before.threads]
    assert after.live_threads[0].target == "main"
    wait_until(lambda: telemetry.snapshot().coverage == before.coverage)


def test_settings_are_in_force_at_once(telemetry: ModuleType, core: ModuleType, wait_until: WaitUntil) -> None:
    exporter = RecordingExporter()
    telemetry.start(exporter, export_interval=3600)
    wait_until(lambda: core.untracked_count() == 2)
    time.sleep(0.02)  # by now the worker sleeps for an hour
    telemetry.configure(export_interval=0.001, hold_sampling=1)
    wait_until(lambda: exporter.snapshots)
    guard = core.allocate_lock(name="sampled")
    for _ in range(10):
        with guard:
            pass
    assert next(lock.hold.count for lock in telemetry.snapshot().locks if lock.name == "sampled") == 10
    telemetry.configure(hold_sampling=0)
    for _ in range(10):
        with guard:
            pass
    assert next(lock.hold.count for lock in telemetry.snapshot().locks if lock.name == "sampled") == 10


def test_slow_waits_are_those_that_the_setting_says(
    telemetry: ModuleType, core: ModuleType, wait_until: WaitUntil
) -> None:
    exporter = RecordingExporter()
    telemetry.start(exporter, export_interval=0.001, slow_wait=30)

    def contend() -> None:
        guard = core.allocate_lock(name="guard")
        before = finished_threads(core)
        with guard:
            core.start_new_thread(guard.acquire, ())
            wait_until(core.read_current_waits)
            time.sleep(0.01)
        wait_until(lambda: finished_threads(core) == before + 1)

    def slow_waits() -> int:
        return sum(isinstance(event, telemetry.SlowWait) for event in exporter.events)

    contend()
    wait_until(lambda: len(exporter.events) == 1)
    assert slow_waits() == 0
    telemetry.configure(slow_wait=0.001)
    contend()
    wait_until(lambda: len(exporter.events) == 3)
    assert slow_waits() == 1


def test_configure_returns_what_is_in_force(telemetry: ModuleType) -> None:
    assert telemetry.configure(stack_depth=3) == telemetry.Settings(stack_depth=3)
    assert telemetry.configure() == telemetry.Settings(stack_depth=3)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"stack_dept": 3}, TypeError, "unknown setting 'stack_dept': expected one of slow_wait, "),
        ({"stack_depth": "3"}, TypeError, "stack_depth: expected a whole number from 1 to 1,000, got '3'"),
        ({"stack_depth": 0}, ValueError, "stack_depth: expected a whole number from 1 to 1,000, got 0"),
    ],
)
def test_bad_settings_change_nothing_and_start_nothing(
    telemetry: ModuleType, core: ModuleType, settings: dict[str, Any], error: type[Exception], message: str
) -> None:
    before = telemetry.configure()
    exporter = RecordingExporter()
    for call in (telemetry.configure, lambda **given: telemetry.start(exporter, **given)):
        with pytest.raises(error, match=f"^{message}"):
            call(event_capacity=5, **settings)
    assert telemetry.configure() == before
    telemetry.stop()
    assert not exporter.timeouts


def test_settings_of_two_threads_at_once_are_both_in_force(telemetry: ModuleType, core: ModuleType) -> None:
    def change(name: str) -> None:
        for number in range(1, 200):
            telemetry.configure(**{name: number})

    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=change, args=[name]) for name in ("stack_depth", "event_capacity")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(switch)
    assert (telemetry.configure().stack_depth, telemetry.configure().event_capacity) == (199, 199)


def test_a_bad_exporter_starts_nothing(telemetry: ModuleType) -> None:
    exporter = RecordingExporter()
    with pytest.raises(TypeError, match=r"^expected an exporter, .* got 5"):
        telemetry.start(exporter, 5, stack_depth=3)
    with pytest.raises(LookupError, match=r"^unknown exporter 'no such exporter': expected one of"):
        telemetry.start(exporter, "no such exporter", stack_depth=3)
    telemetry.stop()
    assert not exporter.timeouts
    assert telemetry.configure().stack_depth == 64


@pytest.mark.parametrize(("timeout", "error"), [(-1, ValueError), ("1", TypeError), (True, TypeError)])
def test_a_bad_timeout_stops_nothing(telemetry: ModuleType, timeout: Any, error: type[Exception]) -> None:
    exporter = RecordingExporter()
    telemetry.start(exporter)
    with pytest.raises(error, match=r"^timeout: expected a number of seconds, at least 0, got "):
        telemetry.stop(timeout)
    assert not exporter.timeouts


def test_work_under_hidden_is_not_observed(telemetry: ModuleType, core: ModuleType, wait_until: WaitUntil) -> None:
    ended = []

    def work() -> None:
        ended.append(core.allocate_lock(name="created by a hidden thread"))

    with telemetry.hidden():
        with telemetry.hidden():
            pass
        kept = [core.allocate_lock(name="hidden")]
        core.start_new_thread(work, (), name="hidden")
    wait_until(lambda: ended)
    kept.append(core.allocate_lock(name="seen"))
    names = [lock.name for lock in telemetry.snapshot().locks]
    assert "seen" in names
    assert not {"hidden", "created by a hidden thread"} & set(names)
    assert "hidden" not in [threads.target for threads in telemetry.snapshot().threads]


def test_an_error_leaves_the_hidden_context(telemetry: ModuleType, core: ModuleType) -> None:
    with pytest.raises(ZeroDivisionError), telemetry.hidden():
        raise ZeroDivisionError
    assert core.untracked_count() == 0


def test_the_environment_is_read_when_it_is_imported() -> None:
    assert output_of(
        """
        from thread import telemetry
        import thread

        print(telemetry.configure())
        guard = thread.allocate_lock(name="guard")
        with guard:
            pass
        print(telemetry.snapshot().locks[0].hold.count)
        """,
        THREAD_TELEMETRY_HOLD_SAMPLING="1",
        THREAD_TELEMETRY_SLOW_WAIT_MS="5",
    ) == [
        "Settings(slow_wait=0.005, hold_sampling=1, export_interval=10.0, export_timeout=5.0, "
        "event_capacity=4096, stack_depth=64, exception_details=True)",
        "1",
    ]


def test_a_bad_variable_is_one_line_and_the_program_runs() -> None:
    program = "import warnings; warnings.simplefilter('error'); from thread import telemetry; print('runs')"
    finished = run(program, THREAD_TELEMETRY_HOLD_SAMPLING="often")
    assert (finished.returncode, finished.stdout) == (0, "runs\n")
    assert finished.stderr == (
        "thread: THREAD_TELEMETRY_HOLD_SAMPLING: expected a whole number, "
        "0 for no acquisition or n for one in n, got 'often'; using the default, 64\n"
    )


def test_the_example_of_the_documentation_runs(telemetry: ModuleType) -> None:
    doc = inspect.getdoc(telemetry) or ""
    code = "\n".join(line.removeprefix("    ") for line in doc.splitlines() if line.startswith("    ") or not line)
    finished = run(
        "import logging; log = logging.getLogger()\n"
        + code.replace('"prometheus", "console", ', "").replace("    ...  ", "    pass  ")
    )
    assert (finished.returncode, finished.stderr) == (0, "")


def test_a_snapshot_needs_no_start(telemetry: ModuleType, core: ModuleType) -> None:
    kept = core.allocate_lock(name="not started")
    taken = telemetry.snapshot()
    assert isinstance(taken, telemetry.Snapshot)
    assert "not started" in [lock.name for lock in taken.locks]
    assert not kept.locked()


def test_our_exporters_can_be_had_by_name(telemetry: ModuleType) -> None:
    if not entry_points(group="thread.exporters", name="console"):
        pytest.skip("the distribution is not installed")
    assert isinstance(telemetry.exporter("console", file=io.StringIO()), telemetry.Exporter)
