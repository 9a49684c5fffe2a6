from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from handmade import (
    GET,
    HOT,
    NOON,
    REFRESH,
    TRACEBACK,
    histogram,
    lock,
    slow_wait,
    snapshot_of_a_shop,
    unhandled_exception,
)

from thread.telemetry import (
    BlockingStats,
    Coverage,
    Event,
    ExceptionStats,
    Exporter,
    Site,
    Snapshot,
    ThreadStats,
    WaitStats,
)
from thread_exporters.console import ConsoleExporter, from_options

LONG = Site(
    "shop.inventory.reservations.ReservationBook.reserve_everything_of_an_order.<locals>.attempt",
    "/home/somebody/services/shop/inventory/reservations.py",
    1234,
)
LONG_NAME = "shop.inventory.reservations:ReservationBook.reserve_everything_of_an_order.guard_of_one_item"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("COLUMNS", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def report(snapshot: Snapshot, events: Sequence[Event] = (), top: int = 10) -> str:
    file = io.StringIO()
    exporter = ConsoleExporter(file, top=top)
    exporter.export(snapshot, events)
    exporter.shutdown(5.0)
    return file.getvalue()


def squeezed(text: str) -> str:
    return re.sub(r"\s", "", text)


def test_it_is_an_exporter() -> None:
    assert isinstance(ConsoleExporter(), Exporter)


def test_a_contended_lock_is_reported_with_its_numbers() -> None:
    lines = report(snapshot_of_a_shop()).splitlines()
    at = lines.index(f"  {HOT}  lock, /app/shop/cache.py:31")
    # waited, p50, p99, max, contended, acquired, timed out
    cells = lines[at + 1].split("  ")
    expected = "3.02 s, 7.8 ms, 3.0 s, 3.00 s, 3, 1,000, 1"
    assert ", ".join(cell.strip() for cell in cells if cell.strip()) == expected


def test_blame_says_who_waited_for_whom() -> None:
    text = report(snapshot_of_a_shop())
    assert re.search(
        r" 2\.50 s in 3 waits  shop\.cache\.Cache\.get \(/app/shop/cache\.py:44\)\n"
        r" +← owner  shop\.cache\.Cache\.refresh \(/app/shop/cache\.py:60\)\n",
        text,
    )


def test_the_lock_that_cost_most_comes_first_and_a_wait_that_lasts_counts() -> None:
    text = report(
        Snapshot(
            taken_at=NOON,
            locks=(
                lock("cheap", wait=histogram(0.1)),
                lock("stuck", waiters=2, oldest_wait=75.0),
                lock("dear", wait=histogram(20.0)),
            ),
        )
    )
    assert text.index("stuck") < text.index("dear") < text.index("cheap")
    assert "2 threads waiting now, the longest for 75.0 s" in text


def test_threads_exceptions_and_coverage_are_reported() -> None:
    text = report(snapshot_of_a_shop(), [unhandled_exception()])
    assert re.search(r"\n +12 +0 +200 µs +180 ms +500 ms  shop\.worker:work\n", text)
    assert re.search(r"\n +1 +1 +100 µs +– +1\.25 s  shop\.refresh:refresh_forever\n", text)
    assert "5 × ValueError in shop.worker:work" in text
    assert "raised at  shop.worker.charge (/app/shop/worker.py:52)" in text
    assert textwrap.indent(TRACEBACK, " " * 6) in text
    assert "7 events dropped" in text
    assert "C core, threading is instrumented, 1 running thread observed and 1 not." in text


def test_a_slow_wait_shows_both_stacks() -> None:
    text = report(snapshot_of_a_shop(), [slow_wait(callers=9)])
    assert f"120 ms  {HOT}  acquired at " in text
    assert "3.00 ms of it for the GIL, 5 threads in the queue" in " ".join(text.split())
    assert re.search(
        r"waiter  shop\.cache\.Cache\.get \(/app/shop/cache\.py:44\)\n +shop\.web\.layer_0 \(/app/shop/web\.py:0\)\n",
        text,
    )
    assert re.search(r"layer_4 .*\n +… 4 more callers\n +owner  shop\.cache\.Cache\.refresh", text)
    assert "shop.refresh.refresh_forever (/app/shop/refresh.py:10)" in text


def test_stacks_end_where_the_program_begins() -> None:
    wait = slow_wait()
    entry = Site("threading.Thread._bootstrap", "/usr/lib/python3/threading.py", 1030)
    text = report(snapshot_of_a_shop(), [replace(wait, acquire_stack=(*wait.acquire_stack, entry))])
    assert "_bootstrap" not in text
    text = report(snapshot_of_a_shop(), [replace(wait, acquire_stack=(entry,))])
    assert "_bootstrap" in text


def test_of_many_slow_waits_the_longest_of_each_kind_are_kept() -> None:
    exporter = ConsoleExporter(file := io.StringIO())
    for start in range(0, 1000, 100):
        waits = [slow_wait(0.01 + i / 10000, lock=f"lock {i % 50}") for i in range(start, start + 100)]
        exporter.export(snapshot_of_a_shop(), waits)
    exporter.shutdown(5.0)
    text = file.getvalue()
    assert "1,000 seen" in text
    assert re.findall(r"  (\S+ ms)  lock (\d+)  acquired", text) == [
        ("110 ms", "49"),
        ("110 ms", "48"),
        ("110 ms", "47"),
        ("110 ms", "46"),
        ("110 ms", "45"),
    ]


def test_tables_end_after_the_top_rows_and_say_how_many_more_there_are() -> None:
    snapshot = Snapshot(
        taken_at=NOON,
        locks=tuple(lock(f"lock {i}", wait=histogram(i + 1)) for i in range(25)),
        waits=tuple(WaitStats("lock 24", GET, Site("a.f", "a.py", i), 1, float(i)) for i in range(9)),
        threads=tuple(ThreadStats(f"target {i}", 1, 1, 0, histogram(), histogram(), i) for i in range(14)),
        exceptions=tuple(ExceptionStats(f"Error{i}", "t", i, TRACEBACK, NOON) for i in range(1, 12)),
    )
    text = report(snapshot, top=10)
    assert len(re.findall(r"\n  lock \d+  lock, ", text)) == 10
    assert "… and 15 more locks" in text
    assert "15.0 s in 6 waits  at 6 more pairs of sites" in text
    assert "… and 4 more targets" in text
    assert "… and 1 more kind\n" in text


def test_a_long_traceback_keeps_its_first_line_and_its_end() -> None:
    frames = "".join(f'  File "/app/deep.py", line {i}, in f\n' for i in range(200))
    traceback = f"Traceback (most recent call last):\n{frames}RecursionError: too deep\n"
    text = report(Snapshot(taken_at=NOON, exceptions=(ExceptionStats("RecursionError", "t", 1, traceback, NOON),)))
    assert "Traceback (most recent call last):\n        … 162 lines omitted\n" in text
    assert "line 199, in f\n      RecursionError: too deep\n" in text


@pytest.mark.parametrize("columns", [80, 120, 200])
def test_names_and_sites_are_whole_at_every_width(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    text = report(
        Snapshot(
            taken_at=NOON,
            locks=(lock(LONG_NAME, wait=histogram(0.1), acquisitions=1_600_000_000),),
            waits=(WaitStats(LONG_NAME, LONG, REFRESH, 3, 2.5),),
            threads=(ThreadStats(LONG_NAME, 1, 0, 1, histogram(), histogram(), 1.0),),
            exceptions=(ExceptionStats("ValueError", LONG_NAME, 1, TRACEBACK, NOON),),
        ),
        [slow_wait(lock=LONG_NAME, acquire_site=LONG), unhandled_exception(LONG)],
    )
    assert squeezed(text).count(squeezed(LONG_NAME)) == 6
    assert squeezed(text).count(squeezed(str(LONG))) == 2
    assert "1,600,000,000" in text
    assert max(map(len, text.splitlines())) <= columns
    if columns == 200:
        assert text.count(str(LONG)) == 2
        assert f"  {LONG_NAME}  lock, /app/shop/cache.py:31\n" in text


def test_a_site_that_needs_two_lines_is_broken_before_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    place = Site("shop.inventory.ReservationBook.reserve_all", "/srv/shop/inventory.py", 17)
    text = report(Snapshot(taken_at=NOON, locks=(lock(waiters=1),), waits=(WaitStats(HOT, place, GET, 3, 2.5),)))
    lines = text.splitlines()
    [at] = [number for number, line in enumerate(lines) if line.endswith(place.function)]
    assert lines[at + 1] == " " * 8 + "(/srv/shop/inventory.py:17)"


def test_numbers_and_tracebacks_are_never_cut_nor_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    line = f'  File "{"/very/long" * 12}.py", line 1, in f'
    snapshot = Snapshot(
        taken_at=NOON,
        locks=(lock(wait=replace(histogram(0.1), count=10**13), acquisitions=10**13),),
        exceptions=(ExceptionStats("E", "t", 1, f"Traceback:\n{line}\nE", NOON),),
    )
    text = report(snapshot)
    assert f"      {line}\n" in text
    assert re.search(r"1e\+13  +1e\+13  +0\n", text)


def test_brackets_in_names_are_no_markup() -> None:
    snapshot = Snapshot(
        taken_at=NOON,
        locks=(lock("[bold]orders[/bold] [link=x] :smile:", wait=histogram(0.1)),),
        threads=(ThreadStats("[red]target[/]", 1, 0, 1, histogram(), histogram(), 1.0),),
        exceptions=(ExceptionStats("E[T]", "[/nothing]", 1, TRACEBACK, NOON),),
    )
    text = report(snapshot)
    for name in ("[bold]orders[/bold] [link=x] :smile:", "[red]target[/]", "E[T] in [/nothing]", "[red]Order(7)[/red]"):
        assert name in text


def test_names_cannot_send_commands_to_the_terminal() -> None:
    message = "Traceback:\nValueError: \x1b[2Jgone\r\n"
    text = report(
        Snapshot(
            taken_at=NOON,
            locks=(lock("\x1b]0;owned\x07", wait=histogram(0.1)),),
            exceptions=(ExceptionStats("ValueError", "t", 1, message, NOON),),
        )
    )
    assert "\x1b" not in text
    assert r"\x1b]0;owned\x07" in text
    assert r"ValueError: \x1b[2Jgone" in text


def test_what_is_no_terminal_gets_plain_text_of_100_columns_and_no_trailing_blanks() -> None:
    text = report(snapshot_of_a_shop(), [slow_wait(), unhandled_exception()])
    assert "\x1b" not in text
    assert len(text.splitlines()[0]) == 100
    assert not re.search(r" $", text, re.MULTILINE)


def test_a_terminal_gets_colours_unless_they_are_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    def printed() -> str:
        exporter = ConsoleExporter(terminal := Terminal())
        exporter.export(snapshot_of_a_shop(), ())
        exporter.shutdown(5.0)
        return terminal.getvalue()

    assert "\x1b[1;36m" + HOT in printed()
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[1;36m" not in printed()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_file_that_knows_few_characters_gets_those(encoding: str) -> None:
    raw = io.BytesIO()
    exporter = ConsoleExporter(io.TextIOWrapper(raw, encoding=encoding, errors="strict"))
    locks = (lock("鎖", wait=histogram(0.00001)),)
    exporter.export(replace(snapshot_of_a_shop(), locks=locks, waits=(WaitStats("鎖", GET, REFRESH, 1, 1e-5),)), ())
    exporter.shutdown(5.0)
    text = raw.getvalue().decode(encoding)
    assert r"\u9396" in text
    assert "10.0 us" in text
    assert "<- owner" in text


@pytest.mark.parametrize(
    ("snapshot", "expected"),
    [
        (Snapshot(taken_at=NOON), "No lock was observed."),
        (Snapshot(taken_at=NOON), "No thread has started since observation began."),
        (Snapshot(taken_at=NOON), "Unhandled exceptions none"),
        (Snapshot(taken_at=NOON), "No events were dropped."),
        (
            Snapshot(taken_at=NOON, locks=(lock("a"), lock("b"))),
            "No thread had to wait: 2,000 acquisitions of 2 locks without contention.",
        ),
        (
            Snapshot(taken_at=NOON, coverage=Coverage("python", False, 0, 3, True, 2)),
            "pure-Python core, threading is not instrumented, 0 running threads observed and 3 not.",
        ),
        (Snapshot(taken_at=NOON, coverage=Coverage("c", True, 0, 1, True, 0)), "counted under `other`"),
        (Snapshot(taken_at=NOON, coverage=Coverage("c", True, 0, 1, False, 2)), "2 internal errors in the telemetry"),
    ],
)
def test_a_report_helps_even_when_there_is_nothing_to_tell(snapshot: Snapshot, expected: str) -> None:
    assert expected in " ".join(report(snapshot).split())


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


def test_the_worst_comes_first() -> None:
    snapshot = snapshot_of_a_shop()
    first = report(snapshot, [unhandled_exception()]).splitlines()[1]
    assert first.startswith("EXCEPTION  5 × ValueError ended threads of shop.worker:work, raised at ")
    stuck = replace(snapshot, locks=(*snapshot.locks, lock("stuck", waiters=3, oldest_wait=75.0)))
    assert report(stuck).splitlines()[1] == "WAITING NOW  for stuck: 3 threads, the longest for 75.0 s"
    dear = replace(snapshot, locks=(lock(HOT, wait=histogram(40.0)),), exceptions=())
    assert report(dear).splitlines()[1].startswith(f"LOCK  {HOT} cost 40.0 s in 1 wait, 2.50 s of it while shop.cache")
    nothing = report(Snapshot(taken_at=NOON)).splitlines()[1]
    assert nothing == "No lock caused long waits, and every exception was handled."


def test_child_processes_are_said_not_to_be_in_it() -> None:
    coverage = Coverage("c", True, 0, 1, False, 0, child_processes=2, child_cpu_time=3600.0)
    text = report(Snapshot(taken_at=NOON, coverage=coverage))
    assert text.splitlines()[2].startswith("NOT INCLUDED  2 running child processes")
    ended = report(Snapshot(taken_at=NOON, coverage=replace(coverage, child_processes=0)))
    assert "NOT INCLUDED  child processes that ended after 60 min 0 s of CPU time" in ended
    few = report(Snapshot(taken_at=NOON, coverage=replace(coverage, child_processes=0, child_cpu_time=1e-6)))
    assert "NOT INCLUDED" not in few
    assert "are not included: those that ended, after 60 min 0 s of CPU time." in " ".join(ended.split())


def test_threads_that_wait_for_work_come_last() -> None:
    target = ThreadStats("shop.worker:work", 1, 0, 1, histogram(), histogram(), 1.0)
    at_work = BlockingStats("future", "shop:prices", GET, histogram(0.5))
    idle = BlockingStats("queue", "shop:jobs", Site("shop.worker.work", "/app/shop/worker.py", 3), histogram(3600.0))
    text = report(Snapshot(taken_at=NOON, threads=(target,), blocking=(at_work, idle)))
    assert text.index("shop:prices") < text.index("\nIdle") < text.index("shop:jobs")


def test_threads_that_wait_for_a_connection_do_not_wait_for_work() -> None:
    target = ThreadStats("__main__:login", 1, 0, 1, histogram(), histogram(), 1.0)
    of_a_pool = BlockingStats(
        "condition", f"{pytest.__name__}:Pool._free", Site("__main__.login", "/app/shop.py", 3), histogram(3.0)
    )
    text = report(Snapshot(taken_at=NOON, threads=(target,), blocking=(of_a_pool,)))
    assert "Blocking" in text
    assert "\nIdle" not in text


def test_neither_do_those_that_wait_for_one_of_a_pool_with_a_name_of_its_own() -> None:
    target = ThreadStats("__main__:login", 1, 0, 1, histogram(), histogram(), 1.0)
    of_a_pool = BlockingStats("condition", "orders", Site("__main__.login", "/app/shop.py", 3), histogram(3.0))
    part = replace(lock("orders (Condition._lock)"), location="/usr/lib/python3/dist-packages/pools/pool.py:17")
    text = report(Snapshot(taken_at=NOON, locks=(part,), threads=(target,), blocking=(of_a_pool,)))
    assert "Blocking" in text
    assert "\nIdle" not in text
    of_the_program = replace(part, location="/app/shop.py:9")
    text = report(Snapshot(taken_at=NOON, locks=(of_the_program,), threads=(target,), blocking=(of_a_pool,)))
    assert "\nIdle" in text


def test_a_wait_in_a_library_begins_with_the_caller_that_it_is_charged_to() -> None:
    pool, caller = Site("pool.Pool.get", "/lib/pool.py", 1), Site("shop.login", "/app/shop.py", 3)
    wait = replace(slow_wait(acquire_site=caller), acquire_stack=(pool, caller))
    text = report(Snapshot(taken_at=NOON), [wait])
    assert "waiter  shop.login" in text
    assert "pool.Pool.get" not in text


def test_holds_that_were_not_among_those_timed_are_not_passed_over() -> None:
    text = report(Snapshot(taken_at=NOON, locks=(lock(wait=histogram(13.0), hold=histogram(7.6e-7)),)))
    assert "the longest 760 ns; the holds that caused the waits were not timed" in " ".join(text.split())
    text = report(Snapshot(taken_at=NOON, locks=(lock(wait=histogram(0.1), hold=histogram(7.6e-7, 0.1)),)))
    assert "the longest 100 ms\n" in text


@pytest.mark.parametrize("columns", [80, 100])
def test_it_fits_and_numbers_stay_whole(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    row = BlockingStats("condition", LONG_NAME, LONG, histogram(0.5))
    threads = ThreadStats(LONG_NAME, 10**7, 1, 1, histogram(0.1), histogram(0.1), 1.0)
    executor = replace(snapshot_of_a_shop().executors[0], name=LONG_NAME, submitted=10**9)
    snapshot = replace(snapshot_of_a_shop(), blocking=(row,), threads=(threads,), executors=(executor,))
    text = report(snapshot, [slow_wait(callers=9), unhandled_exception()])
    assert max(map(len, text.splitlines())) <= columns
    for numbers in ("500 ms      1  350 ms  500 ms", "10,000,000        1", "1,000,000,000      17"):
        assert numbers in text


def test_paths_are_relative_to_the_working_directory_and_to_the_search_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path / "library")
    monkeypatch.chdir(tmp_path)
    waits = (
        WaitStats(HOT, replace(GET, file=str(tmp_path / "shop/cache.py")), GET, 1, 1.0),
        WaitStats(HOT, replace(GET, file=str(tmp_path / "library/pool.py")), GET, 1, 0.5),
    )
    text = report(Snapshot(taken_at=NOON, locks=(lock(wait=histogram(1.5)),), waits=waits))
    assert "(shop/cache.py:44)" in text
    assert "(pool.py:44)" in text
    assert "(/app/shop/cache.py:44)" in text


def test_wide_characters_count_as_two_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = report(Snapshot(taken_at=NOON, locks=(lock("錠" * 60, waiters=1),)))
    assert max(line.count("錠") for line in text.splitlines()) <= 40
    assert squeezed(text).count("錠" * 60) == 2


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


def test_a_real_program_is_reported(tmp_path: Path) -> None:
    program = """\
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
    path = tmp_path / "shop.py"
    path.write_text(textwrap.dedent(program))
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
