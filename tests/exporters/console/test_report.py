"""The content of the report."""

from __future__ import annotations

import io
import re
import textwrap
from dataclasses import replace

import pytest
from handmade import GET, HOT, NOON, TRACEBACK, histogram, lock, slow_wait, snapshot_of_a_shop, unhandled_exception
from reports import report

from thread.telemetry import BlockingStats, Coverage, ExceptionStats, Site, Snapshot, ThreadStats, WaitStats
from thread_exporters.console import ConsoleExporter


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
