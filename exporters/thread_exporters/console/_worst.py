"""The first lines of the report: a sentence about each of the worst findings."""

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
"""Weight of an exception in seconds of waiting, for sorting."""
_LEAST_SECONDS: Final = 1e-3
_NOTABLE_SHARE: Final = 0.1
"""Share of this process's own CPU time from which children are mentioned."""


def worst(snapshot: Snapshot, highlights: Highlights, paths: Paths) -> Iterator[Text]:
    """Yield the sentences, worst first, and a note on processes that are not included."""
    found = [*_locks(snapshot, paths), *_exceptions(snapshot, highlights, paths), *_executors(snapshot)]
    found.sort(key=lambda each: each[0], reverse=True)
    yield from (sentence for _, sentence in found[:_MOST])
    if not found:
        yield text("No lock caused long waits, and every exception was handled.")
    yield from _children(snapshot)


def _children(snapshot: Snapshot) -> Iterator[Text]:
    """Note that child processes are not included, if they do a notable part of the work."""
    children, cpu_time = snapshot.coverage.child_processes, snapshot.coverage.child_cpu_time
    if children:
        processes = "1 running child process" if children == 1 else f"{children:,} running child processes"
        yield text(Span("NOT INCLUDED", ALARM), f"  {processes}")
    elif cpu_time >= time.process_time() * _NOTABLE_SHARE and cpu_time:
        yield text(Span("NOT INCLUDED", ALARM), f"  child processes that ended after {duration(cpu_time)} of CPU time")


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
        ended = "ended threads of" if stats.source == "thread" else "that nobody read, in a future of"
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
