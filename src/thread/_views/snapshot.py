"""Frozen views of what was recorded: the one thing that exporters read.

Every duration is in seconds, every point in time in seconds since the Unix epoch. All classes are immutable, so a
snapshot may be shared between threads and kept for any time. It holds strings and numbers only and keeps no object of
the observed program alive.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from .histogram import Histogram


@dataclass(frozen=True, slots=True)
class Site:
    """A place in the program's code."""

    function: str
    """The qualified name, such as `shop.cache.Cache.refresh`; `other` once the cap on sites is reached."""
    file: str
    """The path of the source file, empty when unknown."""
    line: int
    """The line number counted from 1, 0 when unknown."""

    def __str__(self) -> str:
        return f"{self.function} ({self.file}:{self.line})" if self.file else self.function


@dataclass(frozen=True, slots=True)
class LockStats:
    """All locks of one identity: the same name given, or the same creation site."""

    name: str
    """The name given, else place and attribute, such as `shop.cache:Cache._guard`."""
    kind: str
    """`lock`, `rlock`, `semaphore` or `bounded_semaphore`."""
    location: str
    """`file:line` of the first creation."""
    live: int
    """Number of such locks that exist now."""
    acquisitions: int
    """Number of acquisitions. Re-entering an RLock that the thread owns already does not count."""
    contentions: int
    """Number of acquisitions that had to wait."""
    timeouts: int
    """Number of waits that ended without the lock because the time was up."""
    wait: Histogram
    """Durations of waits, whether acquired, timed out or interrupted. They include the wait for the GIL."""
    hold: Histogram
    """Durations for which the lock was held, of a random sample of the acquisitions."""
    waiters: int
    """Number of threads that wait now."""
    oldest_wait: float
    """Age of the oldest wait in progress; 0 if no thread waits."""


@dataclass(frozen=True, slots=True)
class WaitStats:
    """Waits for one lock, from one acquire site, while its owner was at one site."""

    lock: str
    """`LockStats.name`."""
    acquire_site: Site
    """Site at which the waiting thread wanted the lock."""
    owner_site: Site
    """Site at which the thread that held the lock was meanwhile."""
    count: int
    """Number of waits that met that owner there. A long wait may meet several owners in turn."""
    time: float
    """Total time waited, which grows while a wait lasts. All rows of a lock add up to `LockStats.wait.sum` and the age
    of the waits in progress."""


@dataclass(frozen=True, slots=True)
class BlockingStats:
    """Waits for something other than a lock: a condition, an event, a queue, a thread, a future."""

    kind: str
    """`condition`, `event`, `barrier`, `queue`, `join` or `future`."""
    name: str
    """Name of the object waited for: the name given, else place and attribute; the target for `join`."""
    site: Site
    """Site at which the program waited."""
    duration: Histogram
    """Durations of waits until the thread went on. Getting back the lock of a condition is included."""
    waiters: int = 0
    """Threads that wait right now."""
    oldest_wait: float = 0.0
    """Age of the oldest wait in progress, 0 if no thread waits."""


@dataclass(frozen=True, slots=True)
class ExecutorStats:
    """All `ThreadPoolExecutor`s of one name."""

    name: str
    """The name given, else the `thread_name_prefix`, else place and attribute."""
    live: int
    """Number of such executors that exist now."""
    workers: int
    """Threads that run tasks or wait for one."""
    busy: int
    """Workers that run a task now."""
    queue_length: int
    """Tasks that no worker has taken yet."""
    submitted: int
    finished: int
    """Tasks that have run. A task that was cancelled before it began has not."""
    unread_exceptions: int
    """Tasks that raised into a future which was dropped before anybody looked at its exception."""
    queue_duration: Histogram
    """From the submission of a task until a worker took it."""
    run_duration: Histogram
    """Durations of tasks."""


@dataclass(frozen=True, slots=True)
class ThreadStats:
    """All threads of one target function."""

    target: str
    """The name given, else the function that the threads run, such as `shop.refresh:refresh_forever`."""
    started: int
    """Threads that began to run."""
    finished: int
    """Threads that came to their end."""
    running: int
    """Threads that run now."""
    start_delay: Histogram
    """From the request to start until the function was entered."""
    lifetime: Histogram
    """From entering the function to leaving it, of the finished threads."""
    cpu_time: float
    """CPU time of all of them, running threads included."""


@dataclass(frozen=True, slots=True)
class LiveThread:
    """One thread that is running now."""

    ident: int
    """Its `thread.get_ident()`. Another thread may have it once this one has ended."""
    native_id: int
    """The operating system's number for it."""
    name: str
    """Its `threading` name if it has one, else its target."""
    target: str
    daemon: bool | None
    """None when the interpreter does not know the thread as a `threading.Thread`."""
    started_at: float | None
    """None for a thread that was not started under observation, such as the main thread."""
    cpu_time: float | None
    """None on platforms that cannot tell."""
    waiting_for: str | None
    """Name of the lock that it waits for."""
    waiting_since: float | None
    waiting_on_owner: int | None
    """The ident of the thread that holds that lock."""


@dataclass(frozen=True, slots=True)
class ExceptionStats:
    """Unhandled exceptions of one type, raised by one target."""

    type: str
    """The qualified name of the class, such as `ValueError` or `shop.errors.OutOfStock`."""
    target: str
    count: int
    last_traceback: str
    """The full stack trace of the last one, as the interpreter prints it."""
    last_at: float
    source: Literal["thread", "future"] = "thread"
    """`thread`: the exception ended a thread. `future`: it ended a task, whose future was dropped unread."""


@dataclass(frozen=True, slots=True)
class ExporterStats:
    """Exporters of one name at work."""

    name: str
    exports: int
    """Exports that succeeded."""
    failures: int
    """Calls that raised an exception, or did not return within `export_timeout`."""
    dropped_events: int
    """Events that it had no room for, lost in a call that failed, or reported as dropped."""
    last_export_at: float | None
    """Time of the last export that succeeded; None if none has yet."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """Extent to which the program is observed."""

    core: str
    """`c` or `python`: the implementation that records."""
    instrumented: bool
    """True while `threading` hands out observed primitives."""
    observed_threads: int
    """Running threads that were started under observation."""
    unobserved_threads: int
    """Other running threads: the main thread, and threads started before observation or by other means."""
    sites_capped: bool
    """True once a cap on sites or identities is reached. The rest is counted under `other`."""
    faults: int
    """Errors inside the telemetry itself, exporters included. None has reached the program, but something was not
    recorded. The first error of each kind in an exporter was logged."""
    unobserved_locks: int = 0
    """Locks that existed when observation began. They stay unobserved: a live lock is never swapped."""
    unobserved_modules: tuple[str, ...] = ()
    """Modules outside the standard library that took the interpreter's primitives before observation began, for example
    by `from threading import Lock`, and go on making unobserved ones."""
    replaced_by: str | None = None
    """`gevent` or `eventlet` if it has replaced threads by greenlets, which are not observed."""
    child_processes: int = 0
    """Child processes of any kind that run now. They record for themselves, if at all, and nothing that happens in them
    is part of this snapshot. On platforms that do not tell their number, 1 stands for some."""
    child_cpu_time: float = 0.0
    """CPU time of child processes that have ended and were waited for, and of their children."""
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
    """Exporters at work."""
    coverage: Coverage = field(default=Coverage("c", False, 0, 0, False, 0))
    began_at: float = 0.0
    """Time at which every count was zero."""
