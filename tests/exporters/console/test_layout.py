"""The form of the report: its width, characters and colours."""

from __future__ import annotations

import io
import re
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
from reports import Terminal, report, squeezed

from thread.telemetry import BlockingStats, ExceptionStats, Site, Snapshot, ThreadStats, WaitStats
from thread_exporters.console import ConsoleExporter

LONG = Site(
    "shop.inventory.reservations.ReservationBook.reserve_everything_of_an_order.<locals>.attempt",
    "/home/somebody/services/shop/inventory/reservations.py",
    1234,
)
LONG_NAME = "shop.inventory.reservations:ReservationBook.reserve_everything_of_an_order.guard_of_one_item"


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
