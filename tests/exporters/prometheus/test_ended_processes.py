"""Files of processes that have ended: their sum, and when it is made."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from handmade import NOON, lock, slow_wait, snapshot_of_a_shop
from shared_folder import GONE, METRIC, OPENMETRICS, page, shows_the_shop, total, value, write

from thread.telemetry import Snapshot, SpanContext
from thread_exporters._schema.exemplars import Exemplars
from thread_exporters.prometheus._format.samples import samples_of_process
from thread_exporters.prometheus._multiprocess.aggregate import AllProcesses
from thread_exporters.prometheus._multiprocess.folder import Folder
from thread_exporters.prometheus._multiprocess.json_format import ENDED, decode, encode
from thread_exporters.prometheus._multiprocess.process_files import ProcessFiles

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no folder is shared here")


def left_by(folder: Path, index: int, snapshot: Snapshot) -> None:
    """Write the files of a process that was killed."""
    identity = f"thread-{GONE}-{index:x}"
    exemplars = Exemplars()
    exemplars.observe([slow_wait(0.3, started_at=NOON + index, span=SpanContext(index + 1, 2, 1))])
    for suffix in (".counts", ".gauges"):
        content = encode(suffix, samples_of_process(snapshot, exemplars), exemplars.items())
        (folder / f"{identity}{suffix}").write_bytes(content)
    (folder / f"{identity}.lock").touch()


def test_the_dead_become_one_file_and_nothing_is_lost(tmp_path: Path) -> None:
    survivor = write(tmp_path)
    for index in range(50):
        left_by(tmp_path, index, snapshot_of_a_shop())
    before = page(tmp_path, OPENMETRICS)
    survivor.write(snapshot_of_a_shop(), Exemplars())
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".counts", ".ended", ".folding", ".gauges", ".lock"]
    after = page(tmp_path, OPENMETRICS)
    assert after == before
    assert 'trace_id="' + f"{50:032x}" in after
    assert "python_thread_telemetry_dropped_total 357\n" in after
    assert decode((tmp_path / ENDED).read_bytes()).folded


def test_the_sum_of_the_dead_has_no_more_series_than_one_process(tmp_path: Path) -> None:
    survivor = write(tmp_path)
    for index in range(30):
        names = [f"lock {number} of {index}" for number in range(100)]
        left_by(tmp_path, index, replace(snapshot_of_a_shop(), locks=tuple(lock(name) for name in names)))
    for _ in range(2):
        written = page(tmp_path)
        shown = [each for each in written.splitlines() if each.startswith("python_lock_acquisitions_total{")]
        assert 2000 < len(shown) <= 2000 + 3, "those of `other` of each type come on top"
        assert total(written, "python_lock_acquisitions_total") == 30 * 100 * 1000 + 3000
        assert 'python_lock_acquisitions_total{python_lock_name="other",python_lock_type="lock"}' in written
        survivor.write(snapshot_of_a_shop(), Exemplars())
    assert (tmp_path / ENDED).exists()


def test_a_process_that_dies_while_it_puts_the_dead_together_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    survivor = write(tmp_path)
    for index in range(5):
        left_by(tmp_path, index, snapshot_of_a_shop())
    before = page(tmp_path)
    removed: list[str] = []

    def die(folder: Folder, name: str) -> None:
        removed.append(name)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Folder, "remove", die)
        survivor.write(snapshot_of_a_shop(), Exemplars())
    assert removed and (tmp_path / ENDED).exists()
    assert page(tmp_path) == before
    left_by(tmp_path, 99, snapshot_of_a_shop())
    survivor.write(snapshot_of_a_shop(), Exemplars())
    assert total(page(tmp_path), "python_lock_acquisitions_total") == 7 * 3000
    assert len([*tmp_path.glob("*.counts")]) == 1


def test_pages_are_whole_while_the_dead_are_put_together(tmp_path: Path) -> None:
    survivor = write(tmp_path)
    wrong: list[float] = []
    done = threading.Event()

    def read() -> None:
        everything = AllProcesses(Folder(tmp_path))
        last = 0.0
        while not done.is_set():
            now = value(everything, METRIC["python.thread.telemetry.dropped"])
            if now < last or now % 7:
                wrong.append(now)
            last = now

    reader = threading.Thread(target=read)
    reader.start()
    for index in range(25):
        left_by(tmp_path, index, snapshot_of_a_shop())
        survivor.write(snapshot_of_a_shop(), Exemplars())
    done.set()
    reader.join()
    assert wrong == []
    assert total(page(tmp_path), "python_thread_telemetry_dropped_total") == 26 * 7


def test_only_one_process_puts_the_dead_together(tmp_path: Path) -> None:
    import fcntl

    survivor = write(tmp_path)
    left_by(tmp_path, 1, snapshot_of_a_shop())
    with (tmp_path / "thread.folding").open("w") as busy:
        fcntl.flock(busy, fcntl.LOCK_EX)
        survivor.write(snapshot_of_a_shop(), Exemplars())
        assert not (tmp_path / ENDED).exists()
    survivor.write(snapshot_of_a_shop(), Exemplars())
    assert (tmp_path / ENDED).exists()


def test_a_process_whose_lock_was_closed_is_not_taken_for_dead(tmp_path: Path) -> None:
    alive, other = write(tmp_path), write(tmp_path)
    assert alive._lock is not None
    os.close(alive._lock._descriptor.number)
    other.write(snapshot_of_a_shop(), Exemplars())
    for _ in range(2):
        alive.write(snapshot_of_a_shop(), Exemplars())
        assert total(page(tmp_path), "python_lock_acquisitions_total") == 2 * 3000


def test_a_process_without_a_lock_file_counts_as_ended_after_a_while(tmp_path: Path) -> None:
    survivor = write(tmp_path)
    left_by(tmp_path, 1, snapshot_of_a_shop())
    (tmp_path / f"thread-{GONE}-1.lock").unlink()
    survivor.write(snapshot_of_a_shop(), Exemplars())
    assert not (tmp_path / ENDED).exists()
    assert total(page(tmp_path), "python_lock_acquisitions_total") == 2 * 3000
    assert total(page(tmp_path), "python_thread_count") == 1
    os.utime(tmp_path / f"thread-{GONE}-1.counts", (NOON, NOON))
    survivor.write(snapshot_of_a_shop(), Exemplars())
    assert (tmp_path / ENDED).exists()
    assert total(page(tmp_path), "python_lock_acquisitions_total") == 2 * 3000


def test_the_last_process_leaves_one_file(tmp_path: Path) -> None:
    first, second = write(tmp_path), write(tmp_path)
    first.close()
    second.close()
    assert sorted(os.listdir(tmp_path)) == [ENDED, "thread.folding"]
    assert total(page(tmp_path), "python_lock_acquisitions_total") == 2 * 3000


def test_where_nothing_can_be_written_the_page_stays(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root can write anywhere")
    files = write(tmp_path)
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(OSError, match="will not change"):
            files.write(snapshot_of_a_shop(), Exemplars())
        assert shows_the_shop(page(tmp_path))
        with pytest.raises(ValueError, match="PROMETHEUS_MULTIPROC_DIR: expected a folder that this user can write to"):
            ProcessFiles(str(tmp_path))
    finally:
        tmp_path.chmod(0o700)


def test_a_sum_that_is_no_file_of_ours_is_left_alone(tmp_path: Path) -> None:
    survivor = write(tmp_path)
    (tmp_path / ENDED).mkdir()
    left_by(tmp_path, 1, snapshot_of_a_shop())
    survivor.write(snapshot_of_a_shop(), Exemplars())
    written = page(tmp_path)
    assert total(written, "python_lock_acquisitions_total") == 2 * 3000
    assert total(written, "python_thread_telemetry_unreadable_files") == 1
