"""Our own pages for several processes have the same numbers as prometheus_client's, and exemplars."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from handmade import NOON, histogram, lock, slow_wait, snapshot_of_a_shop
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.multiprocess import MultiProcessCollector

from thread.telemetry import Snapshot, SpanContext
from thread_exporters._schema.exemplars import Exemplars
from thread_exporters._schema.metrics import METRICS
from thread_exporters.prometheus._app import metrics_page
from thread_exporters.prometheus._multiprocess.aggregate import AllProcesses
from thread_exporters.prometheus._multiprocess.folder import Folder
from thread_exporters.prometheus._multiprocess.process_files import ProcessFiles
from thread_exporters.prometheus._multiprocess.registry import registry_of_all

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def samples(families: Iterator[Metric]) -> Samples:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def exemplars(*durations: float, at: float = NOON, trace: int = 0xA1) -> Exemplars:
    found = Exemplars()
    found.observe([slow_wait(each, started_at=at, span=SpanContext(trace, 0xB2, 1)) for each in durations])
    return found


def awkward() -> Snapshot:
    shop = snapshot_of_a_shop()
    return replace(shop, locks=(*shop.locks, lock('"le" \\ \udcff 鎖', wait=histogram(1e-9, 0.3, 1e9), waiters=2)))


def test_the_numbers_are_those_of_prometheus_clients_own_page(tmp_path: Path) -> None:
    for each in (awkward(), snapshot_of_a_shop(), replace(awkward(), locks=(lock(oldest_wait=3.0, waiters=1),))):
        ProcessFiles(str(tmp_path), client_files=True).write(each, Exemplars())
    theirs = samples(MultiProcessCollector(CollectorRegistry(), str(tmp_path)).collect())
    assert samples(registry_of_all(str(tmp_path)).collect()) == theirs
    assert len(theirs) > 200


def test_an_empty_folder_is_a_page_without_series(tmp_path: Path) -> None:
    page, _ = metrics_page(registry_of_all(str(tmp_path)))
    series = [line for line in page.decode().splitlines() if not line.startswith("#")]
    assert series == ["python_thread_telemetry_unreadable_files 0"]


def test_metrics_of_the_application_are_on_the_page_once(tmp_path: Path) -> None:
    ProcessFiles(str(tmp_path), client_files=True).write(snapshot_of_a_shop(), Exemplars())
    # prometheus_client's names for the files of its own metrics.
    for path in tmp_path.glob("counter_thread-*.db"):
        path.rename(tmp_path / "counter_4711.db")
    page = metrics_page(registry_of_all(str(tmp_path)))[0].decode()
    assert page.count("# TYPE python_lock_timeouts_total counter") == 2  # one of them stands for the application's


def test_exemplars_of_all_processes_are_shown_the_latest_of_each_bucket(tmp_path: Path) -> None:
    first, second = ProcessFiles(str(tmp_path)), ProcessFiles(str(tmp_path))
    first.write(snapshot_of_a_shop(), exemplars(0.001, 3.0, trace=0xA1))
    second.write(snapshot_of_a_shop(), exemplars(0.02, 3.0, at=NOON + 60, trace=0xC3))
    page = metrics_page(registry_of_all(str(tmp_path)), OPENMETRICS)[0].decode()
    shown = [line.split("trace_id=")[1][:34] for line in page.splitlines() if "trace_id=" in line]
    assert shown == [f'"{trace:032x}"' for trace in (0xA1, 0xC3, 0xC3)]


def test_counters_were_created_when_the_first_process_began(tmp_path: Path) -> None:
    ProcessFiles(str(tmp_path)).write(snapshot_of_a_shop(), Exemplars())
    ProcessFiles(str(tmp_path)).write(replace(snapshot_of_a_shop(), began_at=NOON - 7200), Exemplars())
    page = metrics_page(registry_of_all(str(tmp_path)), OPENMETRICS)[0].decode()
    assert f"python_thread_telemetry_dropped_created {(NOON - 7200) / 1e9}e+09\n" in page


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record the names of the files that are read."""
    names: list[str] = []
    read = Folder.read
    monkeypatch.setattr(Folder, "read", lambda folder, name: [names.append(name), read(folder, name)][1])
    return names


def value(everything: AllProcesses, name: str) -> float:
    [metric] = [each for each in METRICS if each.name == name]
    return sum(number for _, number in everything.samples().numbers(metric))  # type: ignore[arg-type]


def leave(files: ProcessFiles) -> None:
    """End a process abruptly, as if it were killed."""
    assert files._lock is not None
    files._lock.release()


def test_files_of_processes_that_have_ended_are_read_once(tmp_path: Path, read: list[str]) -> None:
    everything = AllProcesses(Folder(tmp_path))
    ended, living = ProcessFiles(str(tmp_path)), ProcessFiles(str(tmp_path))
    for files in (ended, living):
        files.write(snapshot_of_a_shop(), Exemplars())
    leave(ended)
    assert value(everything, "python.lock.acquisitions") == 6000
    read.clear()
    assert value(everything, "python.lock.acquisitions") == 6000
    assert read == []
    living.write(replace(snapshot_of_a_shop(), locks=(lock("new", acquisitions=7000),)), Exemplars())
    assert value(everything, "python.lock.acquisitions") == 3000 + 7000


def test_the_last_numbers_of_a_process_that_ends_while_they_are_read_are_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = AllProcesses(Folder(tmp_path))
    files, survivor = ProcessFiles(str(tmp_path)), ProcessFiles(str(tmp_path))
    files.write(snapshot_of_a_shop(), Exemplars())
    read = Folder.read

    def end(folder: Folder, name: str) -> bytes:
        if files._lock is not None:
            files.write(replace(snapshot_of_a_shop(), dropped_events=100), Exemplars())
            files.close()
        return read(folder, name)

    monkeypatch.setattr(Folder, "read", end)
    assert value(everything, "python.thread.telemetry.dropped") == 100
    assert value(everything, "python.thread.telemetry.dropped") == 100
    survivor.close()


def test_a_folder_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a folder, got '/no/such'"):
        registry_of_all("/no/such")
