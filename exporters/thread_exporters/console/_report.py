"""The content of the console exporter's report, in order."""

from __future__ import annotations

import os
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

from thread.telemetry import BlockingStats, Coverage, ExceptionStats, Histogram, LockStats, Site, Snapshot, WaitStats

from ._highlights import Highlights
from ._layout import ALARM, ASIDE, NAME, STRONG, Row, Span, Text, folded, heading, more, name, table, text
from ._paths import Paths
from ._units import clock, duration, printable, quantity
from ._worst import worst

_BLAME_ROWS: Final = 3
_FRAMES: Final = 6
_TRACEBACK_LINES: Final = 40
_NOTABLE_SHARE: Final = 0.01
_NONE: Final = "–"
_LIBRARIES: Final = tuple(f"{os.sep}{name}{os.sep}" for name in ("site-packages", "dist-packages"))


class Report:
    """The report on a snapshot, in lines of `width` columns, with at most `top` rows per table."""

    def __init__(self, snapshot: Snapshot, highlights: Highlights, top: int, width: int) -> None:
        self._snapshot = snapshot
        self._highlights = highlights
        self._top = top
        self._width = width
        self._paths = Paths()

    def lines(self) -> Iterator[Text]:
        """Yield all lines, beginning with the title and the worst findings."""
        title = f"thread telemetry, process {os.getpid()}, {clock(self._snapshot.taken_at)} "
        yield text(Span(title, STRONG), Span("─" * (self._width - len(title)), ASIDE))
        for sentence in worst(self._snapshot, self._highlights, self._paths):
            yield from folded(sentence, self._width, "", "  ")
        parts = (
            self._locks(),
            self._slow_waits(),
            self._exceptions(),
            self._executors(),
            self._blocking(),
            self._threads(),
            self._coverage(),
        )
        for part in parts:
            title_of_part = next(part, None)
            if title_of_part is not None:
                yield ()
                yield from folded(title_of_part, self._width, "", "  ")
                yield from part

    def _folded(self, content: Text, indent: int = 2) -> Iterator[Text]:
        return folded(content, self._width, " " * indent, " " * (indent + 2))

    def _locks(self) -> Iterator[Text]:
        locks = self._snapshot.locks
        contended = [lock for lock in locks if lock.wait.count or lock.waiters]
        if not contended:
            yield heading("Locks")
            yield from self._folded(text(_why_no_contention(self._snapshot)))
            return
        # A wait in progress is not in the histogram yet, and a deadlock consists of such waits.
        contended.sort(key=lambda lock: lock.wait.sum + lock.oldest_wait, reverse=True)
        blame = defaultdict(list)
        for row in self._snapshot.waits:
            blame[row.lock].append(row)
        shown = contended[: self._top]
        yield heading("Locks", f"{len(contended):,} of {len(locks):,} were contended; longest total wait first")
        header, *lines = self._numbers(shown)
        yield header
        for lock, numbers in zip(shown, lines):
            yield ()
            where = Span(f"  {lock.kind}, {printable(self._paths.shortened(lock.location))}", ASIDE)
            yield from self._folded(text(name(lock.name), where))
            yield numbers
            yield from self._more_of_lock(lock, blame[lock.name])
        yield from more(len(contended) - self._top, "lock")

    def _numbers(self, locks: Sequence[LockStats]) -> Iterator[Text]:
        header = ("waited", "p50", "p99", "max", "contended", "acquired", "timed out")
        rows = [_lock_cells(lock) for lock in locks]
        if max(map(len, map("  ".join, rows))) > self._width - 20:
            rows = [_lock_cells(lock, compact=True) for lock in locks]
        return table((*header, ""), [Row(row, ()) for row in rows], self._width, below=False)

    def _more_of_lock(self, lock: LockStats, blame: list[WaitStats]) -> Iterator[Text]:
        if lock.waiters:
            waiting = f"{quantity(lock.waiters, 'thread')} waiting now, the longest for {duration(lock.oldest_wait)}"
            yield from self._folded(text(Span(waiting, ALARM)), 6)
        blame.sort(key=lambda row: row.time, reverse=True)
        for row in blame[:_BLAME_ROWS]:
            share = f"{duration(row.time)} in {quantity(row.count, 'wait')}  "
            yield from self._folded(text(Span(share), self._paths.site(row.acquire_site)), 6)
            yield from self._folded(text(Span("← owner  ", ASIDE), self._paths.site(row.owner_site)), 8)
        rest = blame[_BLAME_ROWS:]
        if rest:
            share = f"{duration(sum(row.time for row in rest))} in {quantity(sum(row.count for row in rest), 'wait')}"
            yield from self._folded(text(share, Span(f"  at {quantity(len(rest), 'more pair')} of sites", ASIDE)), 6)
        if lock.hold.count:
            yield from self._folded(text(Span(_holds(lock), ASIDE)), 6)

    def _slow_waits(self) -> Iterator[Text]:
        seen = self._highlights.slow_waits_seen
        if not self._highlights.slow_waits:
            return
        yield heading("Slow waits", f"{seen:,} seen; the longest for each lock and pair of sites")
        for wait in self._highlights.slow_waits:
            for_the_gil = ""
            if wait.gil_wait is not None and wait.gil_wait >= wait.duration * _NOTABLE_SHARE:
                for_the_gil = f", {duration(wait.gil_wait)} of it for the GIL"
            queue = f", {quantity(wait.waiters, 'thread')} in the queue" if wait.waiters else f", {wait.kind}"
            loop = ""
            if wait.blocked_event_loop:
                task = f" in {printable(wait.task)}" if wait.task else ""
                loop = f", blocked the event loop{task}"
            circumstances = f"  {wait.outcome} at {clock(wait.started_at + wait.duration)}{for_the_gil}{queue}{loop}"
            yield ()
            what = text(Span(f"{duration(wait.duration)}  ", STRONG), name(wait.lock), Span(circumstances, ASIDE))
            yield from self._folded(what)
            yield from self._stack("waiter  ", _from(wait.acquire_site, wait.acquire_stack))
            if wait.waiters:
                yield from self._stack(" owner  ", wait.owner_stack or (wait.owner_site,))

    def _stack(self, title: str, frames: Sequence[Site]) -> Iterator[Text]:
        # The frames in which `threading` starts a thread are the same for every thread.
        frames = [frame for frame in frames if not frame.function.startswith("threading.Thread.")] or frames
        before = Span(title, ASIDE)
        for frame in frames[:_FRAMES]:
            indent = " " * (6 + len(title))
            lines = list(folded(text(self._paths.site(frame)), self._width, indent, indent + "  "))
            yield text(" " * 6, before, lines[0][1:])
            yield from lines[1:]
            before = Span(" " * len(title))
        callers = len(frames) - _FRAMES
        if callers > 0:
            yield text(" " * (6 + len(title)), Span(f"… {quantity(callers, 'more caller')}", ASIDE))

    def _blocking(self) -> Iterator[Text]:
        own_loops = {stats.target.replace(":", ".", 1) for stats in self._snapshot.threads}
        rows = sorted(self._snapshot.blocking, key=lambda row: row.duration.sum, reverse=True)
        of_libraries = {lock.name.partition(" (")[0] for lock in self._snapshot.locks if _is_library(lock.location)}
        idle = [row for row in rows if _is_idle(row, own_loops, of_libraries)]
        busy = [row for row in rows if row not in idle]
        if busy:
            yield heading("Blocking", "waits for anything other than a lock; longest total wait first")
            yield from self._blocking_table(busy)
        if idle:
            if busy:
                yield ()
            yield heading("Idle", "threads waiting in their own loop, usually for work")
            yield from self._blocking_table(idle)

    def _blocking_table(self, rows: list[BlockingStats]) -> Iterator[Text]:
        shown = [
            Row(
                (
                    duration(row.duration.sum),
                    f"{row.duration.count:,}",
                    _quantile(row.duration, 0.5),
                    _quantile(row.duration, 0.99),
                ),
                text(
                    row.kind,
                    Span(f" {printable(row.name)}" if row.name else "", NAME),
                    f" at {self._paths.site(row.site)}",
                ),
            )
            for row in rows[: self._top]
        ]
        yield from table(("waited", "waits", "p50", "p99", "for"), shown, self._width)
        yield from more(len(rows) - self._top, "row")

    def _executors(self) -> Iterator[Text]:
        executors = [stats for stats in self._snapshot.executors if stats.submitted or stats.live]
        if not executors:
            return
        executors.sort(key=lambda stats: (stats.queue_duration.sum, stats.submitted), reverse=True)
        yield heading("Executors", "longest total time in queue first")
        shown = [
            Row(
                (
                    f"{stats.submitted:,}",
                    f"{stats.queue_length:,}",
                    _quantile(stats.queue_duration, 0.5),
                    _quantile(stats.queue_duration, 0.99),
                    _quantile(stats.run_duration, 0.5),
                    f"{stats.busy:,} of {stats.workers:,}",
                    f"{stats.unread_exceptions:,}",
                ),
                text(name(stats.name)),
                ALARM if stats.unread_exceptions else "",
            )
            for stats in executors[: self._top]
        ]
        header = ("tasks", "queued", "queue p50", "queue p99", "run p50", "busy", "unread", "executor")
        yield from table(header, shown, self._width)
        yield from more(len(executors) - self._top, "executor")

    def _threads(self) -> Iterator[Text]:
        threads = [stats for stats in self._snapshot.threads if stats.started]
        if not threads:
            yield heading("Threads")
            yield from self._folded(text("No thread has started since observation began."))
            return
        threads.sort(key=lambda stats: (stats.cpu_time, stats.started), reverse=True)
        yield heading("Threads", "by target; most CPU time first")
        shown = [
            Row(
                (
                    f"{stats.started:,}",
                    f"{stats.running:,}",
                    _quantile(stats.start_delay, 0.99),
                    _quantile(stats.lifetime, 0.5),
                    duration(stats.cpu_time),
                ),
                text(name(stats.target)),
            )
            for stats in threads[: self._top]
        ]
        yield from table(("started", "running", "start p99", "life p50", "CPU", "target"), shown, self._width)
        yield from more(len(threads) - self._top, "target")

    def _exceptions(self) -> Iterator[Text]:
        exceptions = sorted(self._snapshot.exceptions, key=lambda stats: (stats.count, stats.last_at), reverse=True)
        if not exceptions:
            yield heading("Unhandled exceptions", "none")
            return
        yield heading("Unhandled exceptions", _endings(exceptions))
        for stats in exceptions[: self._top]:
            yield ()
            ending = "in a future of " if stats.source == "future" else "in "
            yield from self._folded(
                text(
                    Span(f"{stats.count:,} × ", STRONG),
                    Span(printable(stats.type), ALARM),
                    f" {ending}",
                    name(stats.target),
                    Span(f"  last at {clock(stats.last_at)}", ASIDE),
                )
            )
            raised_at = self._highlights.raised_at.get((stats.type, stats.target))
            if raised_at is not None:
                yield from self._folded(text(Span("raised at  ", ASIDE), self._paths.site(raised_at)), 6)
            yield from _traceback(stats.last_traceback)
        yield from more(len(exceptions) - self._top, "kind")

    def _coverage(self) -> Iterator[Text]:
        snapshot, coverage = self._snapshot, self._snapshot.coverage
        parts: list[str | Span] = [
            "C core, " if coverage.core == "c" else "pure-Python core, ",
            "threading is instrumented, " if coverage.instrumented else "threading is not instrumented, ",
            f"{quantity(coverage.observed_threads, 'running thread')} observed "
            f"and {coverage.unobserved_threads:,} not. ",
            Span(_unobserved(coverage), ALARM),
            _children(coverage),
        ]
        if coverage.sites_capped:
            parts.append("The limit of sites was reached; further ones are counted under `other`. ")
        if snapshot.dropped_events:
            lost = quantity(snapshot.dropped_events, "event")
            parts.append(Span(f"{lost} dropped; to keep more, raise THREAD_TELEMETRY_EVENT_CAPACITY. ", ALARM))
        else:
            parts.append("No events were dropped. ")
        if coverage.faults:
            faults = quantity(coverage.faults, "internal error")
            parts.append(Span(f"{faults} in the telemetry itself; see the log. ", ALARM))
        yield heading("Coverage")
        yield from folded(text(*parts), self._width, "  ")


def _why_no_contention(snapshot: Snapshot) -> str:
    if snapshot.locks:
        acquisitions = quantity(sum(lock.acquisitions for lock in snapshot.locks), "acquisition")
        return f"No thread had to wait: {acquisitions} of {quantity(len(snapshot.locks), 'lock')} without contention."
    return (
        "No lock was observed. Only two kinds of locks are: those of `thread`, and those of `threading` made after "
        "`thread.telemetry.instrument()` or under `python -m thread run`."
    )


def _lock_cells(lock: LockStats, *, compact: bool = False) -> Sequence[str]:
    counts = (lock.contentions, lock.acquisitions, lock.timeouts)
    return (
        duration(lock.wait.sum),
        _quantile(lock.wait, 0.5),
        _quantile(lock.wait, 0.99),
        duration(lock.wait.max) if lock.wait.count else _NONE,
        *(f"{count:.4g}" if compact and count > 10**6 else f"{count:,}" for count in counts),
    )


def _quantile(histogram: Histogram, q: float) -> str:
    # Two digits are enough for an estimate from buckets that double in width.
    return duration(histogram.quantile(q), digits=2) if histogram.count else _NONE


def _holds(lock: LockStats) -> str:
    """Describe the holds of a lock. Only a sample is timed, which may miss the long ones."""
    hold = lock.hold
    half = f"{quantity(hold.count, 'hold')} timed: half took {_quantile(hold, 0.5)} or less, the longest"
    missed = lock.wait.count and hold.max < lock.wait.max / 2
    return f"{half} {duration(hold.max)}{'; the holds that caused the waits were not timed' if missed else ''}"


def _from(site: Site, stack: tuple[Site, ...]) -> tuple[Site, ...]:
    """Cut a stack so that it starts at the place charged for the wait, and omit library code that waited for it."""
    return stack[stack.index(site) :] if site in stack else stack or (site,)


def _is_idle(row: BlockingStats, own_loops: set[str], of_libraries: set[str]) -> bool:
    """True if a thread waited in its own target function, which is how workers wait for work.

    Waits for something that a library made are different: they are for a connection or a permit, not for work.
    """
    if row.kind not in ("queue", "condition", "event") or row.site.function not in own_loops:
        return False
    made_in = sys.modules.get(row.name.partition(":")[0])
    is_of_a_library = row.name in of_libraries or _is_library(getattr(made_in, "__file__", None))
    return not is_of_a_library or _is_library(row.site.file)


def _is_library(file: object) -> bool:
    return isinstance(file, str) and any(folder in file for folder in _LIBRARIES)


def _endings(exceptions: Sequence[ExceptionStats]) -> str:
    threads = sum(stats.count for stats in exceptions if stats.source == "thread")
    futures = sum(stats.count for stats in exceptions if stats.source == "future")
    ended = f"{quantity(threads, 'thread')} ended by one" if threads or not futures else ""
    unread = f"{futures:,} in {'a future' if futures == 1 else 'futures'} that nobody read" if futures else ""
    return f"{', '.join(filter(None, (ended, unread)))}; most frequent first"


def _traceback(traceback: str) -> Iterator[Text]:
    lines = [printable(line.expandtabs()) for line in traceback.splitlines()]
    surplus = len(lines) - _TRACEBACK_LINES
    if surplus > 0:
        # The first line is the title, and the last lines are the innermost frames and the exception.
        lines[1 : 1 + surplus] = [f"  … {quantity(surplus, 'line')} omitted"]
    for line in lines:
        yield text(" " * 6 + line)


_MODULES_NAMED: Final = 5


def _unobserved(coverage: Coverage) -> str:
    parts = []
    if coverage.replaced_by:
        parts.append(f"the greenlets that {coverage.replaced_by} uses instead of threads")
    if coverage.unobserved_locks:
        parts.append(f"{quantity(coverage.unobserved_locks, 'lock')} created before observation began")
    modules = coverage.unobserved_modules
    if modules:
        named = ", ".join(printable(module) for module in modules[:_MODULES_NAMED])
        rest = f" and {len(modules) - _MODULES_NAMED:,} more" if len(modules) > _MODULES_NAMED else ""
        parts.append(f"locks and threads of modules that imported the originals earlier: {named}{rest}")
    return f"Not observed: {'; '.join(parts)}. " if parts else ""


def _children(coverage: Coverage) -> str:
    parts = []
    if coverage.child_processes:
        parts.append(f"{coverage.child_processes:,} still running")
    if coverage.child_cpu_time:
        parts.append(f"those that ended, after {duration(coverage.child_cpu_time)} of CPU time")
    return f"Child processes are not included: {', and '.join(parts)}. " if parts else ""
