"""The report of the console exporter: what stands in it, and in which order."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import Group, RenderableType
from rich.rule import Rule
from rich.text import Text

from thread.telemetry import BlockingStats, Coverage, ExceptionStats, Histogram, LockStats, Site, Snapshot, WaitStats

from ._highlights import Highlights
from ._layout import ALARM, ASIDE, NAME, Joined, aligned, grid, heading, indented, more, name, site, verbatim
from ._units import clock, duration, printable, quantity

_BLAME_ROWS: Final = 3
_FRAMES: Final = 6
_TRACEBACK_LINES: Final = 40
_NOTABLE_SHARE: Final = 0.01
_NONE: Final = "–"


def report(snapshot: Snapshot, highlights: Highlights, top: int) -> RenderableType:
    """The whole report, its tables with `top` rows at most."""
    title = f"thread telemetry, process {os.getpid()}, {clock(snapshot.taken_at)}"
    return Group(
        Rule(Text(title, "bold"), align="left", style=ASIDE),
        *_locks(snapshot, top),
        *_slow_waits(highlights),
        *_blocking(snapshot, top),
        *_executors(snapshot, top),
        *_threads(snapshot, top),
        *_exceptions(snapshot, highlights, top),
        *_coverage(snapshot),
    )


def _locks(snapshot: Snapshot, top: int) -> Iterator[RenderableType]:
    contended = [lock for lock in snapshot.locks if lock.wait.count or lock.waiters]
    if not contended:
        yield heading("Locks")
        yield indented(Text(_why_no_contention(snapshot)))
        return
    # A wait that has not ended is in no histogram yet, and a deadlock consists of such.
    contended.sort(key=lambda lock: lock.wait.sum + lock.oldest_wait, reverse=True)
    blame = defaultdict(list)
    for row in snapshot.waits:
        blame[row.lock].append(row)
    shown = contended[:top]
    columns = ("waited", "p50", "p99", "max", "hold p50", "contended", "acquired", "timed out")
    header, *numbers = aligned(columns, map(_lock_cells, shown))
    yield heading("Locks", f"{len(contended):,} of {len(snapshot.locks):,} were waited for, the longest in total first")
    yield header
    for lock, line in zip(shown, numbers):
        yield Text()
        yield indented(_lock_line(lock))
        yield line
        if lock.waiters:
            waiting = f"{quantity(lock.waiters, 'thread')} waiting now, the longest for {duration(lock.oldest_wait)}"
            yield indented(Text(waiting, ALARM), by=6)
        if lock.name in blame:
            yield indented(_blame(blame[lock.name]), by=6)
    yield from more(len(contended) - top, "lock")


def _why_no_contention(snapshot: Snapshot) -> str:
    if snapshot.locks:
        acquisitions = quantity(sum(lock.acquisitions for lock in snapshot.locks), "acquisition")
        return f"Nobody had to wait: {acquisitions} of {quantity(len(snapshot.locks), 'lock')} without contention."
    return (
        "No lock was observed. Observed are the locks of `thread`, and those of `threading` that were made after "
        "`thread.telemetry.instrument()` or under `python -m thread run`."
    )


def _lock_line(lock: LockStats) -> RenderableType:
    identity = Text(printable(lock.name), NAME)
    return Joined(identity, Text(f"{lock.kind}, {printable(lock.location)}", ASIDE), between="  ")


def _lock_cells(lock: LockStats) -> Sequence[str]:
    return (
        duration(lock.wait.sum),
        _quantile(lock.wait, 0.5),
        _quantile(lock.wait, 0.99),
        duration(lock.wait.max) if lock.wait.count else _NONE,
        _quantile(lock.hold, 0.5),
        f"{lock.contentions:,}",
        f"{lock.acquisitions:,}",
        f"{lock.timeouts:,}",
    )


def _quantile(histogram: Histogram, q: float) -> str:
    # Two digits: it is an estimate from buckets each twice as wide as the one before.
    return duration(histogram.quantile(q), digits=2) if histogram.count else _NONE


def _blame(rows: list[WaitStats]) -> RenderableType:
    rows.sort(key=lambda row: row.time, reverse=True)
    table = grid("right", "left")
    for row in rows[:_BLAME_ROWS]:
        table.add_row(_share(row.time, row.count), site(row.acquire_site))
        table.add_row(Text("← owner", ASIDE), site(row.owner_site))
    rest = rows[_BLAME_ROWS:]
    if rest:
        share = _share(sum(row.time for row in rest), sum(row.count for row in rest))
        table.add_row(share, Text(f"at {quantity(len(rest), 'more pair')} of sites", ASIDE))
    return table


def _share(seconds: float, waits: int) -> Text:
    return Text(f"{duration(seconds)} in {quantity(waits, 'wait')}")


def _slow_waits(highlights: Highlights) -> Iterator[RenderableType]:
    if not highlights.slow_waits:
        return
    yield heading("Slow waits", f"{highlights.slow_waits_seen:,} seen; the longest, each lock and pair of sites once")
    for wait in highlights.slow_waits:
        for_the_gil = ""
        if wait.gil_wait is not None and wait.gil_wait >= wait.duration * _NOTABLE_SHARE:
            for_the_gil = f", {duration(wait.gil_wait)} of it for the GIL"
        queue = f", {quantity(wait.waiters, 'thread')} in the queue"
        loop = ""
        if wait.blocked_event_loop:
            loop = f", held up the event loop in {printable(wait.task)}" if wait.task else ", held up the event loop"
        circumstances = f"{wait.outcome} at {clock(wait.started_at + wait.duration)}{for_the_gil}{queue}{loop}"
        what = Text.assemble((f"{duration(wait.duration)}  ", "bold"), (printable(wait.lock), NAME))
        stacks = grid("right", "left")
        stacks.add_row(Text("waiter", ASIDE), _stack(wait.acquire_stack or (wait.acquire_site,)))
        stacks.add_row(Text("owner", ASIDE), _stack(wait.owner_stack or (wait.owner_site,)))
        yield Text()
        yield indented(Joined(what, Text(circumstances, ASIDE), between="  "))
        yield indented(stacks, by=6)


def _stack(frames: Sequence[Site]) -> RenderableType:
    # How `threading` enters a thread is the same in each of them.
    frames = [frame for frame in frames if not frame.function.startswith("threading.Thread.")] or frames
    callers = len(frames) - _FRAMES
    shown = [site(frame) for frame in frames[:_FRAMES]]
    return Group(*shown, *([Text(f"… {quantity(callers, 'more caller')}", ASIDE)] if callers > 0 else []))


def _blocking(snapshot: Snapshot, top: int) -> Iterator[RenderableType]:
    if not snapshot.blocking:
        return
    rows = sorted(snapshot.blocking, key=lambda row: row.duration.sum, reverse=True)
    yield heading("Blocking", "waits for something else than a lock, the longest in total first")
    table = grid("right", "right", "right", "right", "left", "left")
    table.add_row(*(Text(column, ASIDE) for column in ("waited", "waits", "p50", "p99", "for", "at")))
    for row in rows[:top]:
        table.add_row(
            Text(duration(row.duration.sum)),
            Text(f"{row.duration.count:,}"),
            Text(_quantile(row.duration, 0.5)),
            Text(_quantile(row.duration, 0.99)),
            _waited_for(row),
            site(row.site),
        )
    yield indented(table)
    yield from more(len(rows) - top, "row")


def _waited_for(row: BlockingStats) -> Text:
    return Text.assemble(row.kind, (f" {printable(row.name)}" if row.name else "", NAME))


def _executors(snapshot: Snapshot, top: int) -> Iterator[RenderableType]:
    executors = [stats for stats in snapshot.executors if stats.submitted or stats.live]
    if not executors:
        return
    executors.sort(key=lambda stats: (stats.queue_duration.sum, stats.submitted), reverse=True)
    yield heading("Executors", "the longest time in queue first")
    table = grid("right", "right", "right", "right", "right", "right", "right", "left")
    columns = ("tasks", "queued now", "queue p50", "queue p99", "run p50", "busy", "unread", "executor")
    table.add_row(*(Text(column, ASIDE) for column in columns))
    for stats in executors[:top]:
        table.add_row(
            Text(f"{stats.submitted:,}"),
            Text(f"{stats.queue_length:,}"),
            Text(_quantile(stats.queue_duration, 0.5)),
            Text(_quantile(stats.queue_duration, 0.99)),
            Text(_quantile(stats.run_duration, 0.5)),
            Text(f"{stats.busy:,} of {stats.workers:,}"),
            Text(f"{stats.unread_exceptions:,}", ALARM if stats.unread_exceptions else ""),
            name(stats.name),
        )
    yield indented(table)
    yield from more(len(executors) - top, "executor")


def _threads(snapshot: Snapshot, top: int) -> Iterator[RenderableType]:
    threads = [stats for stats in snapshot.threads if stats.started]
    if not threads:
        yield heading("Threads")
        yield indented(Text("No thread was started under observation."))
        return
    threads.sort(key=lambda stats: (stats.cpu_time, stats.started), reverse=True)
    yield heading("Threads", "by what they run, the most CPU time first")
    table = grid("right", "right", "right", "right", "right", "left")
    columns = ("started", "running", "start p99", "life p50", "CPU", "target")
    table.add_row(*(Text(column, ASIDE) for column in columns))
    for stats in threads[:top]:
        table.add_row(
            Text(f"{stats.started:,}"),
            Text(f"{stats.running:,}"),
            Text(_quantile(stats.start_delay, 0.99)),
            Text(_quantile(stats.lifetime, 0.5)),
            Text(duration(stats.cpu_time)),
            name(stats.target),
        )
    yield indented(table)
    yield from more(len(threads) - top, "target")


def _exceptions(snapshot: Snapshot, highlights: Highlights, top: int) -> Iterator[RenderableType]:
    exceptions = sorted(snapshot.exceptions, key=lambda stats: (stats.count, stats.last_at), reverse=True)
    if not exceptions:
        yield heading("Unhandled exceptions", "none")
        return
    threads = sum(stats.count for stats in exceptions if stats.source == "thread")
    futures = sum(stats.count for stats in exceptions if stats.source == "future")
    ended = f"{quantity(threads, 'thread')} ended by one" if threads or not futures else ""
    unread = f"{futures:,} in {'a future' if futures == 1 else 'futures'} that nobody read" if futures else ""
    yield heading("Unhandled exceptions", f"{', '.join(filter(None, (ended, unread)))}, the most frequent first")
    for stats in exceptions[:top]:
        yield Text()
        yield indented(_exception_line(stats))
        raised_at = highlights.raised_at.get((stats.type, stats.target))
        if raised_at is not None:
            where = grid("left", "left")
            where.add_row(Text("raised at", ASIDE), site(raised_at))
            yield indented(where, by=6)
        yield from _traceback(stats.last_traceback)
    yield from more(len(exceptions) - top, "kind")


def _exception_line(stats: ExceptionStats) -> RenderableType:
    what = Text.assemble((f"{stats.count:,} × ", "bold"), (printable(stats.type), ALARM))
    ending = "in a future of " if stats.source == "future" else "in "
    where = Text.assemble(ending, (printable(stats.target), NAME), (f"  last at {clock(stats.last_at)}", ASIDE))
    return Joined(what, where, between=" ")


def _traceback(text: str) -> Iterator[RenderableType]:
    lines = [printable(line.expandtabs()) for line in text.splitlines()]
    surplus = len(lines) - _TRACEBACK_LINES
    if surplus > 0:
        # The first line says what it is, the last ones what happened.
        lines[1 : 1 + surplus] = [f"  … {quantity(surplus, 'line')} left out"]
    for line in lines:
        yield verbatim(line, by=6)


_MODULES_NAMED: Final = 5


def _unobserved(coverage: Coverage) -> str:
    parts = []
    if coverage.replaced_by:
        parts.append(f"the greenlets that {coverage.replaced_by} has put in the place of threads")
    if coverage.unobserved_locks:
        parts.append(f"{quantity(coverage.unobserved_locks, 'lock')} made before observation began")
    modules = coverage.unobserved_modules
    if modules:
        named = ", ".join(printable(module) for module in modules[:_MODULES_NAMED])
        rest = f" and {len(modules) - _MODULES_NAMED:,} more" if len(modules) > _MODULES_NAMED else ""
        parts.append(f"what these modules make with primitives they took before: {named}{rest}")
    return f"Not observed: {'; '.join(parts)}. " if parts else ""


def _coverage(snapshot: Snapshot) -> Iterator[RenderableType]:
    coverage = snapshot.coverage
    line = Text.assemble(
        "C core, " if coverage.core == "c" else "pure-Python core, ",
        "threading is instrumented, " if coverage.instrumented else "threading is not instrumented, ",
        f"{quantity(coverage.observed_threads, 'running thread')} observed and {coverage.unobserved_threads:,} not. ",
    )
    unobserved = _unobserved(coverage)
    if unobserved:
        line.append(unobserved, ALARM)
    if coverage.sites_capped:
        line.append("There are more sites than are told apart; the rest is counted under `other`. ")
    if snapshot.dropped_events:
        lost = quantity(snapshot.dropped_events, "event")
        line.append(f"{lost} dropped, THREAD_TELEMETRY_EVENT_CAPACITY makes more room. ", ALARM)
    else:
        line.append("No event was dropped. ")
    if coverage.faults:
        line.append(f"{quantity(coverage.faults, 'error')} inside the telemetry itself, see the log. ", ALARM)
    yield heading("Coverage")
    yield indented(line)
