"""The first lines of the report: what cost most, in a sentence each, the worst first."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

from thread.telemetry import LockStats, Snapshot

from ._highlights import Highlights
from ._layout import ALARM, STRONG, Span, Text, name, text
from ._paths import Paths
from ._units import duration, printable, quantity

_MOST: Final = 3
_SECONDS_FOR_AN_EXCEPTION: Final = 1.0
"""Where it stands among what cost time: before a second that was waited, behind an hour."""
_LEAST_SECONDS: Final = 1e-3
_NOTABLE_SHARE: Final = 0.1
"""Of this process's own CPU time."""


def worst(snapshot: Snapshot, highlights: Highlights, paths: Paths) -> Iterator[Text]:
    """The sentences; where there is nothing to tell, that, and what it is not known of."""
    found = [*_locks(snapshot, paths), *_exceptions(snapshot, highlights, paths), *_executors(snapshot)]
    found.sort(key=lambda each: each[0], reverse=True)
    yield from (sentence for _, sentence in found[:_MOST])
    if not found:
        yield text("No lock made anybody wait for long, and no exception was unhandled.")
    yield from _children(snapshot)


def _children(snapshot: Snapshot) -> Iterator[Text]:
    """Children whose part of the work cannot be passed over: nothing found here says nothing of them."""
    children, cpu_time = snapshot.coverage.child_processes, snapshot.coverage.child_cpu_time
    if children:
        processes = "1 child process runs" if children == 1 else f"{children:,} child processes run"
        yield text(Span("NOT IN HERE", ALARM), f"  {processes}; what happens there is no part of this report")
    elif cpu_time >= time.process_time() * _NOTABLE_SHARE and cpu_time:
        what = f"  child processes, which have ended after {duration(cpu_time)} of CPU time, are no part of this report"
        yield text(Span("NOT IN HERE", ALARM), what)


def _locks(snapshot: Snapshot, paths: Paths) -> Iterator[tuple[float, Text]]:
    for lock in snapshot.locks:
        if lock.waiters:
            threads = f"{quantity(lock.waiters, 'thread')}, the longest for {duration(lock.oldest_wait)}"
            yield float("inf"), text(Span("WAITING NOW", ALARM), "  for ", name(lock.name), f": {threads}")
        elif lock.wait.sum >= _LEAST_SECONDS:
            yield lock.wait.sum, _cost(lock, snapshot, paths)


def _cost(lock: LockStats, snapshot: Snapshot, paths: Paths) -> Text:
    rows = [row for row in snapshot.waits if row.lock == lock.name]
    waits = f"{duration(lock.wait.sum)} in {quantity(lock.wait.count, 'wait')}"
    by = ""
    if rows:
        owners: dict[str, float] = {}
        for row in rows:
            owner = paths.site(row.owner_site)
            owners[owner] = owners.get(owner, 0.0) + row.time
        owner = max(owners, key=lambda each: owners[each])
        by = f", {duration(owners[owner])} of it while {owner} held it"
    return text(Span("LOCK", STRONG), "  ", name(lock.name), f" cost {waits}{by}")


def _exceptions(snapshot: Snapshot, highlights: Highlights, paths: Paths) -> Iterator[tuple[float, Text]]:
    for stats in snapshot.exceptions:
        ended = "ended threads of" if stats.source == "thread" else "was read by nobody, from a future of"
        site = highlights.raised_at.get((stats.type, stats.target))
        at = f", raised at {paths.site(site)}" if site is not None else ""
        what = Span(f"{stats.count:,} × {printable(stats.type)}")
        sentence = text(Span("EXCEPTION", ALARM), "  ", what, f" {ended} ", name(stats.target), at)
        yield stats.count * _SECONDS_FOR_AN_EXCEPTION, sentence


def _executors(snapshot: Snapshot) -> Iterator[tuple[float, Text]]:
    for stats in snapshot.executors:
        queued, ran = stats.queue_duration, stats.run_duration
        if queued.sum < _LEAST_SECONDS or queued.quantile(0.5) <= ran.quantile(0.5):
            continue
        workers = f"{stats.busy:,} of {quantity(stats.workers, 'worker')} busy, {stats.queue_length:,} queued now"
        cost = f": tasks waited {duration(queued.sum)} in its queue, {workers}"
        yield queued.sum, text(Span("EXECUTOR", STRONG), "  ", name(stats.name), cost)
