"""The project's only list of attributes: those of its metrics, and those of its spans, links, events and log records.

Names from the semantic conventions are used where they exist; all others begin with `python.`. Metrics have only
attributes with few values: threads and stacks appear only on spans and log records.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

Carrier: TypeAlias = Literal[
    "span of a slow wait",
    "span of another slow wait",
    "span of a thread",
    "link",
    "exception event",
    "log record of an exception",
]
"""Anything with attributes that is not a metric."""

_WAIT: Final = "span of a slow wait"
_BLOCKED: Final = "span of another slow wait"
"""A wait for something other than a lock: a condition, an event, a queue."""
_THREAD: Final = "span of a thread"
_LINK: Final = "link"
_EVENT: Final = "exception event"
_RECORD: Final = "log record of an exception"

MAX_SITES: Final = 2000
"""Maximum number of places in the code that one process distinguishes: those that wait and those that own a lock."""

MOST_SERIES: Final[dict[tuple[str, ...], int]] = {
    (): 1,
    ("python.lock.name", "python.lock.type"): 2000,
    ("python.thread.target",): 1000,
    ("error.type", "python.thread.target"): 500,
    (
        "python.lock.name",
        "code.function.name",
        "code.file.path",
        "code.line.number",
        "python.lock.owner.function.name",
        "python.lock.owner.file.path",
        "python.lock.owner.line.number",
    ): 8000,
    ("python.blocking.type",): 6,
    (
        "python.blocking.type",
        "python.blocking.name",
        "code.function.name",
        "code.file.path",
        "code.line.number",
    ): 2000,
    ("python.executor.name",): 500,
    ("python.executor.name", "python.executor.worker.state"): 1000,
    ("version", "core", "python"): 1,
    ("python.thread.telemetry.cap",): 6,
    ("python.thread.telemetry.exporter",): 50,
}
"""Maximum number of series per process for a metric with these attributes. The rest is counted under `other`."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute, wherever it is used."""

    name: str
    type: Literal["string", "int", "double"]
    description: str
    example: str
    carriers: tuple[Carrier, ...] = ()
    """Carriers of the attribute, besides the metrics that name it."""
    values: tuple[str, ...] = ()
    """All possible values, if they are a fixed set."""
    most_values: int | None = None
    """Maximum number of values in one process. None if the set is fixed or unbounded."""


ATTRIBUTES: Final = (
    Attribute(
        "python.lock.name",
        "string",
        "The lock: its given name, or else the place that created it and the attribute it is stored in. All locks "
        "created in one place share a name.",
        "shop.cache:Cache._guard",
        (_WAIT,),
        most_values=2000,
    ),
    Attribute(
        "python.lock.type",
        "string",
        "The kind of lock. Threads wait for the permits of a semaphore as they do for locks. A semaphore may be a "
        "signal, for which idle threads wait; a bounded one never is.",
        "lock",
        (_WAIT,),
        values=("lock", "rlock", "semaphore", "bounded_semaphore"),
    ),
    Attribute(
        "python.thread.target",
        "string",
        "The function that the threads run, as module and qualified name, or the name given to `start_new_thread`. "
        "Never the name of a thread, because there may be any number of those.",
        "shop.refresher:Refresher._refresh_forever",
        (_THREAD, _RECORD),
        most_values=1000,
    ),
    Attribute(
        "error.type",
        "string",
        "The class of the exception, with its module unless it is a built-in.",
        "KeyError",
        (_THREAD,),
        most_values=500,
    ),
    Attribute(
        "python.executor.name",
        "string",
        "The executors: their `thread_name_prefix`, or else the place that created them and the attribute they are "
        "stored in.",
        "shop.mail:Mailer._executor",
        most_values=500,
    ),
    Attribute(
        "python.executor.worker.state",
        "string",
        "The state of an executor's threads: busy with a task, or waiting for one.",
        "idle",
        values=("busy", "idle"),
    ),
    Attribute("version", "string", "The version of thread-telemetry.", "0.1.0", most_values=1),
    Attribute("core", "string", "The core in use: the C extension or its twin in Python.", "c", values=("c", "python")),
    Attribute("python", "string", "The version of Python.", "3.13.1", most_values=1),
    Attribute(
        "python.thread.telemetry.cap",
        "string",
        "The limit that may have been reached.",
        "sites",
        values=("blocking", "exceptions", "executors", "locks", "sites", "threads"),
    ),
    Attribute(
        "python.thread.telemetry.exporter",
        "string",
        "The exporters: the name they were started by, or else their class.",
        "otlp",
        most_values=50,
    ),
    Attribute(
        "python.blocking.type",
        "string",
        "The kind of thing that the thread waited for, other than a lock.",
        "queue",
        (_BLOCKED,),
        values=("barrier", "condition", "event", "future", "join", "queue"),
    ),
    Attribute(
        "python.blocking.name",
        "string",
        "The thing that the thread waited for, named like a lock; for `join`, the target of the thread. Empty if it "
        "has no name.",
        "shop.fulfilment:Fulfilment._orders",
        (_BLOCKED,),
        most_values=2000,
    ),
    Attribute(
        "code.function.name",
        "string",
        "The function: for a wait, the innermost frame outside the standard library and telemetry libraries; for an "
        "exception, the frame that raised it.",
        "shop.cache.Cache.get",
        (_WAIT, _BLOCKED, _RECORD),
        most_values=MAX_SITES,
    ),
    Attribute(
        "code.file.path",
        "string",
        "The source file of `code.function.name`.",
        "/app/shop/cache.py",
        (_WAIT, _BLOCKED, _RECORD),
        most_values=MAX_SITES,
    ),
    Attribute(
        "code.line.number",
        "int",
        "The line in `code.file.path`; 0 if unknown.",
        "24",
        (_WAIT, _BLOCKED, _RECORD),
        most_values=MAX_SITES,
    ),
    Attribute(
        "code.stacktrace",
        "string",
        "The stack of the waiting thread, captured during the wait, as Python prints stacks. Outer frames are omitted "
        "to keep it within 8,000 characters.",
        '  File "/app/shop/cache.py", line 24, in shop.cache.Cache.get',
        (_WAIT, _BLOCKED),
    ),
    Attribute(
        "python.lock.owner.function.name",
        "string",
        "The function that the owner of the lock was in while others waited.",
        "shop.storage.Connection.query",
        (_WAIT,),
        most_values=MAX_SITES,
    ),
    Attribute(
        "python.lock.owner.file.path",
        "string",
        "The source file of `python.lock.owner.function.name`.",
        "/app/shop/storage.py",
        (_WAIT,),
        most_values=MAX_SITES,
    ),
    Attribute(
        "python.lock.owner.line.number",
        "int",
        "The line in `python.lock.owner.file.path`; 0 if unknown.",
        "58",
        (_WAIT,),
        most_values=MAX_SITES,
    ),
    Attribute(
        "python.lock.owner.stacktrace",
        "string",
        "The stack of the owner, captured during the wait. Shortened like `code.stacktrace`.",
        '  File "/app/shop/storage.py", line 58, in shop.storage.Connection.query',
        (_WAIT,),
    ),
    Attribute(
        "python.lock.owner.thread.id",
        "int",
        "The thread that held the lock, as `threading.get_ident()` identifies it. Absent if no owner was seen.",
        "140230598018752",
        (_WAIT,),
    ),
    Attribute(
        "python.lock.waiters",
        "int",
        "The number of threads waiting for the lock at that moment, including this one.",
        "3",
        (_WAIT,),
    ),
    Attribute(
        "python.lock.wait.outcome",
        "string",
        "The outcome of the wait.",
        "acquired",
        (_WAIT, _BLOCKED),
        values=("acquired", "timed out", "interrupted"),
    ),
    Attribute(
        "python.lock.wait.lock.duration",
        "double",
        "The part of the wait during which another thread had the lock, in seconds. Absent if unknown.",
        "0.2",
        (_WAIT,),
    ),
    Attribute(
        "python.lock.wait.gil.duration",
        "double",
        "The part of the wait during which the lock was free but the thread waited for the GIL, in seconds. Absent if "
        "unknown.",
        "0.02",
        (_WAIT,),
    ),
    Attribute(
        "python.asyncio.task.name",
        "string",
        "The asyncio task that waited and so blocked the event loop of its thread; empty if the loop ran none. Absent "
        "if the thread ran no event loop.",
        "Task-7",
        (_WAIT, _BLOCKED),
    ),
    Attribute(
        "thread.id",
        "int",
        "The thread that waited, ran or raised, as `threading.get_ident()` identifies it.",
        "140230606411456",
        (_WAIT, _BLOCKED, _THREAD, _RECORD),
    ),
    Attribute(
        "python.thread.native_id",
        "int",
        "The thread's identifier in the operating system.",
        "4243",
        (_THREAD,),
    ),
    Attribute(
        "python.thread.start.duration",
        "double",
        "The delay between the request to start the thread and the call of its function, in seconds.",
        "0.00012",
        (_THREAD,),
    ),
    Attribute(
        "python.thread.cpu.time",
        "double",
        "The CPU time that the thread used, in seconds.",
        "0.5",
        (_THREAD,),
    ),
    Attribute(
        "python.thread.outcome",
        "string",
        "The way the thread ended: its function returned, it raised SystemExit, or it raised an unhandled exception.",
        "returned",
        (_THREAD,),
        values=("returned", "exited", "raised"),
    ),
    Attribute(
        "python.thread.starter.function.name",
        "string",
        "The function that started the thread.",
        "shop.web.Application._checkout",
        (_THREAD,),
    ),
    Attribute(
        "python.thread.starter.file.path",
        "string",
        "The source file of `python.thread.starter.function.name`.",
        "/app/shop/web.py",
        (_THREAD,),
    ),
    Attribute(
        "python.thread.starter.line.number",
        "int",
        "The line in `python.thread.starter.file.path`; 0 if unknown.",
        "97",
        (_THREAD,),
    ),
    Attribute(
        "python.lock.link",
        "string",
        "The meaning of a link from the span of a slow wait: it leads to the span that the owner of the lock was in.",
        "owner",
        (_LINK,),
        values=("owner",),
    ),
    Attribute(
        "python.thread.link",
        "string",
        "The meaning of a link from the span of a thread: it leads to the span that started the thread, or, from the "
        "short span in the starter's trace, to the span of the thread's whole life.",
        "starter",
        (_LINK,),
        values=("starter", "lifetime"),
    ),
    Attribute(
        "exception.type",
        "string",
        "The class of the exception, as in `error.type`.",
        "KeyError",
        (_EVENT, _RECORD),
    ),
    Attribute(
        "exception.message",
        "string",
        "The message of the exception.",
        "'CH'",
        (_EVENT, _RECORD),
    ),
    Attribute(
        "exception.stacktrace",
        "string",
        "The complete stack trace, as Python prints it.",
        "Traceback (most recent call last): …",
        (_EVENT, _RECORD),
    ),
)
"""All attributes, in the order in which they are documented."""
