"""The folder that several processes share, and the things that accidents or other users may leave in it."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from handmade import histogram, lock, snapshot_of_a_shop
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families as parse
from shared_folder import GONE, METRIC, OPENMETRICS, complaints, page, shows_the_shop, total, value, write

from thread_exporters._schema.encodable import MAX_LABEL, label_value
from thread_exporters._schema.exemplars import Exemplars
from thread_exporters._schema.metrics import UNREADABLE_FILES
from thread_exporters.prometheus import PrometheusExporter
from thread_exporters.prometheus._app import metrics_page
from thread_exporters.prometheus._format.samples import samples_of_process
from thread_exporters.prometheus._multiprocess.aggregate import AllProcesses
from thread_exporters.prometheus._multiprocess.folder import Folder, own_part_of
from thread_exporters.prometheus._multiprocess.json_format import ENDED, encode
from thread_exporters.prometheus._multiprocess.process_files import ProcessFiles
from thread_exporters.prometheus._multiprocess.registry import registry_of_all

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no folder is shared here")


def line(*values: object) -> bytes:
    return (json.dumps(list(values)) + "\n").encode()


ACQUISITIONS, WAITS = "python.lock.acquisitions", "python.lock.wait.duration"
BAD = {
    "empty": b"",
    "truncated": encode(".counts", samples_of_process(snapshot_of_a_shop(), Exemplars()), ())[:500],
    "NUL bytes": b"\0" * 4096,
    "binary": bytes(range(256)),
    "not UTF-8": b'["x",[[["\xff\xfe"],1]]]\n',
    "nested deep": b"[" * 200_000,
    "an int of 5,000 digits": b'["python.lock.acquisitions",[[["a","lock"],' + b"9" * 5000 + b"]]]\n",
    "an int of 400 digits": b'["python.lock.acquisitions",[[["a","lock"],' + b"9" * 400 + b"]]]\n",
    "text for a number": line(ACQUISITIONS, [[["a", "lock"], "1"]]),
    "null for a number": line(ACQUISITIONS, [[["a", "lock"], None]]),
    "a truth value for a number": line(ACQUISITIONS, [[["a", "lock"], True]]),
    "a negative number": line(ACQUISITIONS, [[["a", "lock"], -1]]),
    "NaN": b'["python.lock.acquisitions",[[["a","lock"],NaN]]]\n',
    "infinity": b'["python.lock.acquisitions",[[["a","lock"],Infinity]]]\n',
    "too few labels": line(ACQUISITIONS, [[["a"], 1]]),
    "too many labels": line(ACQUISITIONS, [[["a", "b", "c"], 1]]),
    "labels that are lists": line(ACQUISITIONS, [[[["a"], ["b"]], 1]]),
    "labels that are objects": line(ACQUISITIONS, [[[{"a": 1}, "b"], 1]]),
    "labels that are one text": line(ACQUISITIONS, [["ab", 1]]),
    "a bucket that is none": line(WAITS, [[["a", "lock"], [1.0, 9999, 1]]]),
    "a negative bucket": line(WAITS, [[["a", "lock"], [1.0, -1, 7]]]),
    "a histogram for a number": line(ACQUISITIONS, [[["a", "lock"], [1.0, 1, 1]]]),
    "a number for a histogram": line(WAITS, [[["a", "lock"], 1]]),
    "half a bucket": line(WAITS, [[["a", "lock"], [1.0, 3]]]),
    "three values": b"[1,2,3]\n",
    "an object": b'{"a":1}\n',
    "a beginning that is a text": line("began", "x"),
    "a beginning before all time": line("began", -1e308),
    "an exemplar of several lines": line("exemplars", [[["m", "lock"], [[5, 0.5, "1\nevil_total 6", "a", "b"]]]]),
    "a trace that is no number": line("exemplars", [[["m", "lock"], [[5, 0.5, 1, "zz", "b"]]]]),
    "a trace that is too long": line("exemplars", [[["m", "lock"], [[5, 0.5, 1, "f" * 40, "b"]]]]),
    "an exemplar of no bucket": line("exemplars", [[["m", "lock"], [["5", 0.5, 1, "a", "b"]]]]),
}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD)
@pytest.mark.parametrize("owner", [os.getpid(), GONE], ids=["living", "ended"])
def test_a_file_that_cannot_be_understood_is_left_out_counted_and_said_once(
    owner: int, content: bytes, tmp_path: Path
) -> None:
    write(tmp_path)
    bad = tmp_path / f"thread-{owner}-abc.counts"
    bad.write_bytes(content)
    everything = AllProcesses(Folder(tmp_path))
    for _ in range(2):
        assert value(everything, UNREADABLE_FILES) == 1
        assert value(everything, METRIC[ACQUISITIONS]) == 3000
    [complaint] = everything.complaints()
    assert repr(str(bad)) in complaint and "\n" not in complaint
    assert list(everything.complaints()) == []
    bad.unlink()
    assert value(everything, UNREADABLE_FILES) == 0


def test_nothing_of_what_is_left_out_is_on_the_page(tmp_path: Path) -> None:
    write(tmp_path)
    for index, content in enumerate(BAD.values()):
        (tmp_path / f"thread-{GONE}-{index:x}.counts").write_bytes(content)
    for accept in ("", OPENMETRICS):
        written = page(tmp_path, accept)
        assert f"python_thread_telemetry_unreadable_files {len(BAD)}\n" in written
        assert not any(trace in written for trace in ("evil_total", "NaN", '"a"', "-1", "nan"))
    assert shows_the_shop(page(tmp_path))


def socket_at(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


SPECIAL: dict[str, Callable[[Path], object]] = {
    "directory": Path.mkdir,
    "dangling link": lambda path: path.symlink_to("/no/such"),
    "link to what has no end": lambda path: path.symlink_to("/dev/zero"),
    "link to itself": lambda path: path.symlink_to(path),
    "socket": socket_at,
    "FIFO": os.mkfifo,
    "sparse file of a terabyte": lambda path: (path.touch(), os.truncate(path, 1 << 40)),
}


@pytest.mark.parametrize("make", SPECIAL.values(), ids=SPECIAL)
@pytest.mark.parametrize("name", [f"thread-{GONE}-abc.counts", f"thread-{os.getpid()}-abc.gauges"])
def test_what_is_no_file_of_ours_is_left_out_and_holds_nobody_up(
    name: str, make: Callable[[Path], object], tmp_path: Path
) -> None:
    files = write(tmp_path)
    (tmp_path / f"thread-{os.getpid()}-abc.counts").write_bytes(line("began", 1.0))
    make(tmp_path / name)
    everything = AllProcesses(Folder(tmp_path))
    assert value(everything, METRIC[ACQUISITIONS]) == 3000
    assert value(everything, UNREADABLE_FILES) == 1
    files.write(snapshot_of_a_shop(), Exemplars())
    assert value(everything, METRIC[ACQUISITIONS]) == 3000


@pytest.mark.parametrize("make", SPECIAL.values(), ids=SPECIAL)
def test_what_is_no_file_of_prometheus_client_is_left_out(make: Callable[[Path], object], tmp_path: Path) -> None:
    write(tmp_path)
    make(tmp_path / "counter_1.db")
    for family in registry_of_all(str(tmp_path)).collect():
        if family.name == UNREADABLE_FILES.prometheus_name:
            assert [sample.value for sample in family.samples] == [1]
    [complaint] = complaints(tmp_path)
    assert "counter_1.db" in complaint


@pytest.mark.parametrize(
    "content",
    [
        b"\x10\x27\0\0\0\0\0\0" + b"A" * 100,
        b"\x60\0\0\0\0\0\0\0" + b"\xf0\xff\xff\xff" + b"A" * 100,
        b"\x28\0\0\0\0\0\0\0\x05\0\0\0[1,2]" + b" " * 7 + b"\0" * 16,
        b"abc",
    ],
    ids=["more than there is", "a negative length", "another key", "less than a header"],
)
def test_a_bad_file_of_prometheus_client_is_left_out(content: bytes, tmp_path: Path) -> None:
    for path in (write(tmp_path, client_files=True).path).glob("counter_*.db"):
        path.rename(tmp_path / "counter_4711.db")
    (tmp_path / "counter_1.db").write_bytes(content)
    (tmp_path / "nonsense.db").write_bytes(b"")
    written = page(tmp_path)
    assert total(written, "python_lock_acquisitions_total") == 2 * 3000
    assert total(written, "python_thread_telemetry_unreadable_files") == 1


def test_in_a_rolling_update_all_but_the_changed_metric_is_shown(tmp_path: Path) -> None:
    write(tmp_path)
    newer = encode(".counts", samples_of_process(snapshot_of_a_shop(), Exemplars()), ()).splitlines(keepends=True)
    changed = [written for written in newer if json.loads(written)[0] != ACQUISITIONS]
    changed += [line(ACQUISITIONS, [[["a", "lock", "shard 1"], 5]]), line("python.lock.of.tomorrow", [[["a"], 1]])]
    (tmp_path / f"thread-{GONE}-abc.counts").write_bytes(b"".join(changed))
    written = page(tmp_path)
    assert total(written, "python_lock_acquisitions_total") == 3000
    assert total(written, "python_thread_started_total") == 2 * 13
    assert total(written, "python_thread_telemetry_unreadable_files") == 1


def test_long_values_of_labels_are_cut_and_stay_different(tmp_path: Path) -> None:
    names = ["鎖" * 100_000 + str(index) for index in range(20)]
    shop = replace(snapshot_of_a_shop(), locks=tuple(lock(name, wait=histogram(0.1)) for name in names))
    write(tmp_path, snapshot=shop)
    written = page(tmp_path)
    shown = {
        sample.labels["python_lock_name"]
        for family in parse(written)
        for sample in family.samples
        if sample.name == "python_lock_acquisitions_total"
    }
    assert shown == set(map(label_value, names)) and len(shown) == 20
    assert {len(name) for name in shown} == {MAX_LABEL}
    assert len(written) < 2_000_000
    assert label_value("x" * MAX_LABEL) == "x" * MAX_LABEL


@pytest.mark.parametrize("mode", [0o777, 0o757, 0o2777])
def test_a_folder_that_others_can_write_to_is_refused(
    mode: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.chmod(mode)
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    with pytest.raises(ValueError, match=rf"PROMETHEUS_MULTIPROC_DIR: .*others can write to it \(mode {mode:o}\)"):
        PrometheusExporter(CollectorRegistry())
    assert not os.listdir(tmp_path)


def test_a_folder_of_the_own_group_is_accepted_and_that_of_another_is_not(tmp_path: Path) -> None:
    tmp_path.chmod(0o770)
    write(tmp_path).close()
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    os.chown(tmp_path, -1, os.getegid() + 1)
    with pytest.raises(ValueError, match="others can write to it"):
        ProcessFiles(str(tmp_path))
    tmp_path.chmod(0o700)
    os.chown(tmp_path, 12345, -1)
    with pytest.raises(ValueError, match=r"it belongs to another user \(12345\)"):
        ProcessFiles(str(tmp_path))


def test_in_a_folder_like_tmp_the_files_are_in_a_private_one(tmp_path: Path) -> None:
    tmp_path.chmod(0o1777)
    files = write(tmp_path)
    assert files.path == tmp_path / f"thread-{os.geteuid()}"
    assert stat.S_IMODE(files.path.stat().st_mode) == 0o700
    assert shows_the_shop(page(tmp_path))
    if os.geteuid() == 0:
        os.chown(files.path, 12345, -1)
        with pytest.raises(ValueError, match="it belongs to another user"):
            ProcessFiles(str(tmp_path))


def test_a_file_of_another_user_is_left_out(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    write(tmp_path)
    foreign = tmp_path / f"thread-{GONE}-abc.counts"
    foreign.write_bytes(line("began", 1.0))
    os.chown(foreign, 12345, 12345)
    assert total(page(tmp_path), "python_thread_telemetry_unreadable_files") == 1
    assert "another user (12345)" in complaints(tmp_path)[0]


def test_files_are_for_their_owner_only(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        write(tmp_path, client_files=True)
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert len(modes) >= 5 and set(modes.values()) == {0o600}, modes


def test_nothing_is_written_through_links(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("do not lose this")
    folder = tmp_path / "metrics"
    folder.mkdir()
    files = write(folder)
    names = [path.name for path in folder.iterdir()]
    for path in folder.iterdir():
        path.unlink()
    for name in (*names, *(f"{name}.{files._identity}.tmp" for name in names), f"{files._identity}.tmp"):
        (folder / name).symlink_to(precious)
    (folder / ENDED).symlink_to(precious)
    for _ in range(2):
        files.write(snapshot_of_a_shop(), Exemplars())
    files.close()
    assert precious.read_text() == "do not lose this"


@pytest.mark.parametrize("name", ["thread-*.lock", "*.lock", "thread-[0-9]*.lock", f"thread-{GONE}-*.lock"])
def test_a_name_that_is_a_pattern_removes_nothing(name: str, tmp_path: Path) -> None:
    files = write(tmp_path, client_files=True)
    (tmp_path / name).touch()
    before = {path.name for path in tmp_path.iterdir()}
    files.write(snapshot_of_a_shop(), Exemplars())
    assert {path.name for path in tmp_path.iterdir()} == before


def test_numbers_grow_on_when_the_lock_file_is_removed(tmp_path: Path) -> None:
    files = write(tmp_path)
    for events in (10, 20):
        for path in tmp_path.glob("*.lock"):
            path.unlink()
        written = page(tmp_path)
        assert total(written, "python_thread_count") == 1, "its gauges are still shown"
        files.write(replace(snapshot_of_a_shop(), dropped_events=events), Exemplars())
        assert total(page(tmp_path), "python_thread_telemetry_dropped_total") == events
        assert len([*tmp_path.glob("*.lock")]) == 1


def test_reading_the_lock_file_does_not_unlock_it(tmp_path: Path) -> None:
    files = write(tmp_path)
    for path in tmp_path.iterdir():
        path.read_bytes()
    program = """
        import sys
        from thread_exporters.prometheus._multiprocess.folder import Folder
        from thread_exporters.prometheus._multiprocess.lock_file import state_of

        print(state_of(Folder(sys.argv[1]), sys.argv[2]))
    """
    command = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path), files._identity]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "lives\n"


def test_numbers_are_back_after_the_folder_was_emptied(tmp_path: Path) -> None:
    files = write(tmp_path)
    page(tmp_path)
    for path in tmp_path.iterdir():
        path.unlink()
    assert not shows_the_shop(page(tmp_path))
    files.write(snapshot_of_a_shop(), Exemplars())
    assert shows_the_shop(page(tmp_path))


def test_a_relative_folder_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "metrics").mkdir()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "metrics")
    exporter = PrometheusExporter()
    monkeypatch.chdir(tmp_path / "elsewhere")
    exporter.export(snapshot_of_a_shop(), ())
    assert shows_the_shop(page(tmp_path / "metrics"))
    assert shows_the_shop(metrics_page(exporter._registry)[0].decode())
    exporter.shutdown(1.0)


def test_descriptors_that_the_program_took_over_are_its_own(tmp_path: Path) -> None:
    files = write(tmp_path)
    assert files._lock is not None
    number = files._lock._descriptor.number
    mine = tmp_path.parent / "mine"
    with mine.open("w+b") as file:
        os.dup2(file.fileno(), number)
    try:
        files.write(snapshot_of_a_shop(), Exemplars())
        assert total(page(tmp_path), "python_thread_count") == 1
        files.close()
        os.write(number, b"of the program")
        assert mine.read_bytes() == b"of the program"
    finally:
        os.close(number)


def test_the_own_part_of_a_folder_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        own_part_of("/no/such")
