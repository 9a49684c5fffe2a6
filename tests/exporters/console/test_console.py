from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest
from handmade import GET, HOT, NOON, histogram, lock, slow_wait, snapshot_of_a_shop, unhandled_exception

from thread.telemetry import Exporter, Snapshot, ThreadStats
from thread_exporters.console import ConsoleExporter, from_options


def test_it_is_an_exporter() -> None:
    assert isinstance(ConsoleExporter(), Exporter)


def test_the_report_goes_to_what_is_stderr_by_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    exporter = ConsoleExporter()
    exporter.export(snapshot_of_a_shop(), ())
    monkeypatch.setattr(sys, "stderr", replaced := io.StringIO())
    exporter.shutdown(5.0)
    assert HOT in replaced.getvalue()
    assert capsys.readouterr() == ("", "")


def test_the_report_is_printed_once() -> None:
    exporter = ConsoleExporter(file := io.StringIO())
    exporter.export(snapshot_of_a_shop(), ())
    exporter.shutdown(5.0)
    exporter.shutdown(5.0)
    assert file.getvalue().count("thread telemetry, process") == 1


def test_without_an_export_or_a_stderr_nothing_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    ConsoleExporter(file := io.StringIO()).shutdown(5.0)
    assert file.getvalue() == ""
    monkeypatch.setattr(sys, "stderr", None)
    exporter = ConsoleExporter()
    exporter.export(snapshot_of_a_shop(), ())
    exporter.shutdown(5.0)


def test_a_forked_child_reports_its_own_doings_and_only_if_there_are_any() -> None:
    exporter = ConsoleExporter(file := io.StringIO())
    exporter.export(snapshot_of_a_shop(), [slow_wait(), unhandled_exception()])
    exporter.after_fork_in_child()
    idle = replace(lock(), acquisitions=0)
    of_the_parent = ThreadStats("of the parent", 0, 0, 0, histogram(), histogram(), 0.0)
    exporter.export(Snapshot(taken_at=NOON, locks=(idle,), threads=(of_the_parent,)), ())
    exporter.shutdown(5.0)
    assert file.getvalue() == ""

    exporter.after_fork_in_child()
    locks = (lock("of the child", wait=histogram(0.1)),)
    exporter.export(Snapshot(taken_at=NOON, locks=locks, threads=(of_the_parent,)), ())
    exporter.shutdown(5.0)
    assert "of the child" in file.getvalue()
    assert "Slow waits" not in file.getvalue()
    assert "of the parent" not in file.getvalue()


def test_neither_the_exporter_nor_the_report_imports_what_is_not_needed() -> None:
    program = """
        import sys
        from thread_exporters.console import ConsoleExporter
        import thread_exporters.console._report
        print({"threading", "rich", "json"} & sys.modules.keys())
    """
    ran = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True)
    assert (ran.stdout, ran.stderr) == ("set()\n", "")


def test_a_report_for_programs_has_everything() -> None:
    exporter = ConsoleExporter(file := io.StringIO(), format="json")
    exporter.export(snapshot_of_a_shop(), [slow_wait(callers=9)])
    exporter.shutdown(5.0)
    document = json.loads(file.getvalue())
    assert document["version"] == 1
    [hot] = [each for each in document["locks"] if each["name"] == HOT]
    assert (hot["acquisitions"], hot["wait"]["count"]) == (1000, 4)
    assert sum(hot["wait"]["buckets"]) == 4
    assert len(document["bucket_bounds"]) + 1 == len(hot["wait"]["buckets"])
    assert document["slow_waits"][0]["acquire_site"] == {"function": GET.function, "file": GET.file, "line": GET.line}
    assert document["coverage"]["core"] == "c"


def test_a_report_can_go_to_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    exporter = from_options(report=str(tmp_path / "report.txt"))
    exporter.export(snapshot_of_a_shop(), ())
    exporter.shutdown(5.0)
    assert (tmp_path / "report.txt").read_text().startswith("thread telemetry, process ")
    assert capsys.readouterr() == ("", "")
    with pytest.raises(ValueError, match=r"^cannot write the report to .*/nowhere/report\.txt: No such file"):
        from_options(report=str(tmp_path / "nowhere" / "report.txt"))
    monkeypatch.setenv("THREAD_TELEMETRY_REPORT", str(tmp_path / "report.json"))
    monkeypatch.setenv("THREAD_TELEMETRY_REPORT_FORMAT", "json")
    exporter = from_options()
    exporter.export(snapshot_of_a_shop(), ())
    exporter.shutdown(5.0)
    assert json.loads((tmp_path / "report.json").read_text())["version"] == 1
    monkeypatch.setenv("THREAD_TELEMETRY_REPORT_FORMAT", "xml")
    from_options()
    expected = "thread: THREAD_TELEMETRY_REPORT_FORMAT: expected text or json, got 'xml'; using text\n"
    assert capsys.readouterr().err == expected
    with pytest.raises(ValueError, match=r"^format: expected text or json, got 'xml'"):
        ConsoleExporter(format="xml")  # type: ignore[arg-type]


CONTENDED_CACHE = """\
import sys, time
import thread
from thread import telemetry
from thread_exporters.console import ConsoleExporter

class Cache:
    def __init__(self):
        self._guard = thread.allocate_lock()

    def get(self):
        with self._guard:
            raise LookupError("not today")

    def refresh(self):
        with self._guard:
            thread.start_new_thread(self.get, ())
            time.sleep(0.05)
            while not any(lock.oldest_wait > 0.005 for lock in telemetry.snapshot().locks):
                time.sleep(0.001)

telemetry.start(ConsoleExporter(), slow_wait=0.001)
Cache().refresh()
while not any(threads.finished for threads in telemetry.snapshot().threads):
    time.sleep(0.001)
sys.stderr = sys.stdout
"""


def test_a_real_program_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "shop.py"
    path.write_text(CONTENDED_CACHE)
    environment = {**os.environ, "COLUMNS": "200"}
    path = Path(path.name)
    ran = subprocess.run(
        [sys.executable, path], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 0
    text = ran.stdout
    assert f"\n  __main__:Cache._guard  lock, {path}:8\n" in text
    assert re.search(
        rf" in 1 wait  __main__\.Cache\.get \({path}:11\)\n +← owner  __main__\.Cache\.refresh \({path}", text
    )
    assert re.search(r"ms  __main__:Cache\._guard  acquired at \S+, (.* for the GIL, )?1 thread in the queue\n", text)
    assert re.search(rf"\n +owner  (.*\n +)*?__main__\.Cache\.refresh \({path}:\d+\)\n", text)
    assert re.search(r"\n +1 +0 .*  __main__:Cache\.get\n", text)
    assert "1 × LookupError in __main__:Cache.get" in text
    assert f"raised at  __main__.Cache.get ({path}:12)" in text
    assert "      LookupError: not today\n" in text
    assert "No events were dropped." in text
