"""Frozen views of what was recorded: the one thing that exporters read.

Every duration is in seconds, every point in time in seconds since the Unix epoch. All classes are immutable, so a
snapshot may be shared between threads and kept as long as wanted; it holds strings and numbers only and keeps no
object of the observed program alive.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from .histogram import Histogram


@dataclass(frozen=True, slots=True)
class Site:
    """A place in the program's code."""

    function: str
    """The qualified name, `shop.cache.Cache.refresh`; `other` once the cap on sites was reached."""
    file: str
    """The path of the source file, empty when unknown."""
    line: int
    """The line number counted from 1, 0 when unknown."""

    def __str__(self) -> str:
        return f"{self.function} ({self.file}:{self.line})" if self.file else self.function


@dataclass(frozen=True, slots=True)
class LockStats:
    """All locks of one identity: those given one name, or created at one place."""

    name: str
    """The name given, else place and attribute: `shop.cache:Cache._guard`."""
    kind: str
    """`lock`, `rlock` or `semaphore`."""
    location: str
    """`file:line` of the first creation."""
    live: int
    """How many such locks exist now."""
    acquisitions: int
    """How often one was acquired; re-entering an RLock that the thread owns already is not counted again."""
    contentions: int
    """How many of the acquisitions had to wait."""
    timeouts: int
    """How many waits ended without the lock because their time was up."""
    wait: Histogram
    """How long each wait took, however it ended: acquired, timed out or interrupted. Includes the wait for the GIL."""
    hold: Histogram
    """How long the lock was held, for a random sample of the acquisitions."""
    waiters: int
    """How many threads wait right now."""
    oldest_wait: float
    """How long the longest of them has been waiting, 0 when none waits."""


@dataclass(frozen=True, slots=True)
class WaitStats:
    """Who waited for whom: all waits of one lock, acquire site and owner site."""

    lock: str
    """`LockStats.name`."""
    acquire_site: Site
    """Where the waiting thread wanted the lock."""
    owner_site: Site
    """Where the thread that held the lock was meanwhile."""
    count: int
    """How many waits met that owner there; a long wait may meet several in turn."""
    time: float
    """How long was waited in total. Over all rows of a lock this adds up to `LockStats.wait.sum`."""


@dataclass(frozen=True, slots=True)
class BlockingStats:
    """Waits that are no lock contention: for a condition, an event, a queue, a thread, a future."""

    kind: str
    """`condition`, `event`, `barrier`, `queue`, `join` or `future`."""
    name: str
    """What was waited for, named as locks are: by place and attribute, or as it was told; the target for `join`."""
    site: Site
    """Where the program waited."""
    duration: Histogram
    """How long each wait took, until the thread went on: getting back the lock of a condition is included."""


@dataclass(frozen=True, slots=True)
class ExecutorStats:
    """All `ThreadPoolExecutor`s of one name."""

    name: str
    """The `thread_name_prefix`, else place and attribute, or as it was told."""
    live: int
    """How many such executors exist now."""
    workers: int
    """Threads that run tasks or wait for some."""
    busy: int
    """How many of them run a task now."""
    queue_length: int
    """Tasks that no worker has taken yet."""
    submitted: int
    finished: int
    """How many tasks have run; one that was cancelled before has not."""
    unread_exceptions: int
    """How many tasks raised into a future that was dropped before anybody looked at its exception."""
    queue_duration: Histogram
    """From the submission of a task until a worker took it."""
    run_duration: Histogram
    """How long tasks ran."""


@dataclass(frozen=True, slots=True)
class ThreadStats:
    """All threads of one target function."""

    target: str
    """The function that the threads run, `shop.refresh:refresh_forever`, or the name given."""
    started: int
    """How many began to run."""
    finished: int
    """How many of those came to their end."""
    running: int
    """How many run right now."""
    start_delay: Histogram
    """From the request to start until the function was entered."""
    lifetime: Histogram
    """From entering the function to leaving it, for those that finished."""
    cpu_time: float
    """CPU time of all of them, including those that still run."""


@dataclass(frozen=True, slots=True)
class LiveThread:
    """One thread that is running now."""

    ident: int
    """`thread.get_ident()` of it. May be reused once it ended."""
    native_id: int
    """The operating system's number for it."""
    name: str
    """Its `threading` name if it has one, else its target."""
    target: str
    daemon: bool | None
    """None when the interpreter does not know the thread as a `threading.Thread`."""
    started_at: float | None
    """None for a thread that was not started under observation, the main thread for one."""
    cpu_time: float | None
    """None where the platform cannot tell."""
    waiting_for: str | None
    """The name of the lock it waits for."""
    waiting_since: float | None
    waiting_on_owner: int | None
    """The ident of the thread that holds that lock."""


@dataclass(frozen=True, slots=True)
class ExceptionStats:
    """Exceptions of one type that nobody handled, raised by one target."""

    type: str
    """The qualified name of the class: `ValueError`, `shop.errors.OutOfStock`."""
    target: str
    count: int
    last_traceback: str
    """The full stack trace of the last one, as the interpreter prints it."""
    last_at: float
    source: Literal["thread", "future"] = "thread"
    """What it ended: a thread, or a task in an executor whose future was dropped unread."""


@dataclass(frozen=True, slots=True)
class ExporterStats:
    """An exporter at work; those of one name are counted together."""

    name: str
    exports: int
    """How many exports succeeded."""
    failures: int
    """How many calls raised an exception, or did not return within `export_timeout`."""
    dropped_events: int
    """Events that it had no room for, was given in a call that failed, or said that it dropped."""
    last_export_at: float | None
    """When the last export succeeded; None if none did yet."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of the program is observed."""

    core: str
    """`c` or `python`: which implementation records."""
    instrumented: bool
    """Whether `threading` hands out observed primitives."""
    observed_threads: int
    """Running threads that were started under observation."""
    unobserved_threads: int
    """Running threads that were not: the main thread and those started before observation or by other means."""
    sites_capped: bool
    """Whether the cap on sites or identities was reached, so that the rest is counted under `other`."""
    faults: int
    """Errors inside the telemetry itself, exporters included. None has reached the program: what was to be recorded is
    missing. Of those of exporters, the first of each kind was logged."""
    unobserved_locks: int = 0
    """Locks that existed when observation began. They stay unobserved: a live lock is never swapped."""
    unobserved_modules: tuple[str, ...] = ()
    """Modules outside the standard library that got hold of the interpreter's primitives before observation began,
    by `from threading import Lock` for example, and go on making unobserved ones."""
    replaced_by: str | None = None
    """`gevent` or `eventlet`, if that has put greenlets in the place of threads, which are not observed."""
    child_processes: int = 0
    """Child processes that run now, of whatever kind. They record for themselves, if at all: nothing that happens in
    them is part of this snapshot. Where the platform does not tell their number, 1 stands for some."""
    child_cpu_time: float = 0.0
    """CPU time of those that have ended and were waited for, and of theirs."""
    version: str = ""
    """The version of thread-telemetry."""
    python: str = ""
    """The version of Python: `3.13.1`."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything recorded since the process began, or since it was forked."""

    taken_at: float
    locks: tuple[LockStats, ...] = ()
    waits: tuple[WaitStats, ...] = ()
    blocking: tuple[BlockingStats, ...] = ()
    executors: tuple[ExecutorStats, ...] = ()
    threads: tuple[ThreadStats, ...] = ()
    live_threads: tuple[LiveThread, ...] = ()
    exceptions: tuple[ExceptionStats, ...] = ()
    dropped_events: int = 0
    """Events that were lost because nobody fetched them in time."""
    exporters: tuple[ExporterStats, ...] = ()
    """Those at work."""
    coverage: Coverage = field(default=Coverage("c", False, 0, 0, False, 0))
    began_at: float = 0.0
    """When nothing was recorded yet, in Unix seconds: all that is counted here was zero then."""
