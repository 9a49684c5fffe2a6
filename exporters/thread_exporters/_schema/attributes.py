"""The project's one list of attributes: what tells the series of its metrics apart, and what its spans, links, events
and log records say.

Names that the semantic conventions have are used as they are there; all others begin with `python.`. Only what can
have few values is an attribute of a metric: threads and stacks are on spans and log records alone.
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
"""What has attributes apart from metrics."""

_WAIT: Final = "span of a slow wait"
_BLOCKED: Final = "span of another slow wait"
"""For what is no lock: a condition, an event, a queue."""
_THREAD: Final = "span of a thread"
_LINK: Final = "link"
_EVENT: Final = "exception event"
_RECORD: Final = "log record of an exception"

MAX_SITES: Final = 2000
"""How many places in the code one process tells apart, those that wait and those that own a lock together."""

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
"""How often one process has a metric with these attributes. What comes later is counted under the value `other`."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute, wherever it is used."""

    name: str
    type: Literal["string", "int", "double"]
    description: str
    example: str
    carriers: tuple[Carrier, ...] = ()
    """What has it apart from the metrics that name it."""
    values: tuple[str, ...] = ()
    """All that it can have, if that is a fixed set."""
    most_values: int | None = None
    """How many values it can have in one process, those in a fixed set aside. None where nothing bounds it."""


ATTRIBUTES: Final = (
    Attribute(
        "python.lock.name",
        "string",
        "The lock: the name that it was given, else the place that created it and the attribute that it is kept in. "
        "All locks of one place share one name.",
        "shop.cache:Cache._guard",
        (_WAIT,),
        most_values=2000,
    ),
    Attribute(
        "python.lock.type",
        "string",
        "What kind of lock it is. The permits of a semaphore are waited for as locks are.",
        "lock",
        (_WAIT,),
        values=("lock", "rlock", "semaphore"),
    ),
    Attribute(
        "python.thread.target",
        "string",
        "What the threads run: the module and the qualified name of the function, or the name given to "
        "`start_new_thread`. Never the name of a thread, of which there may be any number.",
        "shop.refresher:Refresher._refresh_forever",
        (_THREAD, _RECORD),
        most_values=1000,
    ),
    Attribute(
        "error.type",
        "string",
        "The class of the exception, with its module unless it is built in.",
        "KeyError",
        (_THREAD,),
        most_values=500,
    ),
    Attribute(
        "python.executor.name",
        "string",
        "The executors: their `thread_name_prefix`, else the place that created them and the attribute that they are "
        "kept in.",
        "shop.mail:Mailer._executor",
        most_values=500,
    ),
    Attribute(
        "python.executor.worker.state",
        "string",
        "Whether the threads of executors run a task or wait for one.",
        "idle",
        values=("busy", "idle"),
    ),
    Attribute("version", "string", "The version of thread-telemetry.", "0.1.0", most_values=1),
    Attribute("core", "string", "What records: the C extension or its twin in Python.", "c", values=("c", "python")),
    Attribute("python", "string", "The version of Python.", "3.13.1", most_values=1),
    Attribute(
        "python.thread.telemetry.cap",
        "string",
        "What there may be more of than is told apart.",
        "sites",
        values=("blocking", "exceptions", "executors", "locks", "sites", "threads"),
    ),
    Attribute(
        "python.thread.telemetry.exporter",
        "string",
        "The exporters: the name that they were started by, else their class.",
        "otlp",
        most_values=50,
    ),
    Attribute(
        "python.blocking.type",
        "string",
        "What kind of thing was waited for that is no lock.",
        "queue",
        (_BLOCKED,),
        values=("barrier", "condition", "event", "future", "join", "queue"),
    ),
    Attribute(
        "python.blocking.name",
        "string",
        "What was waited for, named as locks are; for `join` the target of the thread. Empty where it has no name.",
        "shop.fulfilment:Fulfilment._orders",
        (_BLOCKED,),
        most_values=2000,
    ),
    Attribute(
        "code.function.name",
        "string",
        "Where in the program: for a wait the innermost frame outside the standard library and telemetry libraries, "
        "for an exception the frame that raised it.",
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
        "The line in `code.file.path`, 0 when unknown.",
        "24",
        (_WAIT, _BLOCKED, _RECORD),
        most_values=MAX_SITES,
    ),
    Attribute(
        "code.stacktrace",
        "string",
        "The stack of the waiting thread, taken while it waited, as Python prints stacks. Outer frames are left out "
        "where it would be longer than 8,000 characters.",
        '  File "/app/shop/cache.py", line 24, in shop.cache.Cache.get',
        (_WAIT, _BLOCKED),
    ),
    Attribute(
        "python.lock.owner.function.name",
        "string",
        "Where the thread that held the lock was while others waited.",
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
        "The line in `python.lock.owner.file.path`, 0 when unknown.",
        "58",
        (_WAIT,),
        most_values=MAX_SITES,
    ),
    Attribute(
        "python.lock.owner.stacktrace",
        "string",
        "The stack of the owner, taken while the other thread waited. Shortened as `code.stacktrace` is.",
        '  File "/app/shop/storage.py", line 58, in shop.storage.Connection.query',
        (_WAIT,),
    ),
    Attribute(
        "python.lock.owner.thread.id",
        "int",
        "The thread that held the lock, as `threading.get_ident()` numbers it. Absent if nobody was seen to hold it.",
        "140230598018752",
        (_WAIT,),
    ),
    Attribute(
        "python.lock.waiters",
        "int",
        "How many threads waited for the lock at that moment, this one included.",
        "3",
        (_WAIT,),
    ),
    Attribute(
        "python.lock.wait.outcome",
        "string",
        "How the wait ended.",
        "acquired",
        (_WAIT, _BLOCKED),
        values=("acquired", "timed out", "interrupted"),
    ),
    Attribute(
        "python.lock.wait.lock.duration",
        "double",
        "Seconds of the wait in which another had the lock. Absent where it cannot be told.",
        "0.2",
        (_WAIT,),
    ),
    Attribute(
        "python.lock.wait.gil.duration",
        "double",
        "Seconds of the wait in which the lock was to be had but the GIL was not. Absent where it cannot be told.",
        "0.02",
        (_WAIT,),
    ),
    Attribute(
        "python.asyncio.task.name",
        "string",
        "The asyncio task that waited and held up the event loop of its thread, empty where the loop ran none. Absent "
        "where no event loop ran.",
        "Task-7",
        (_WAIT, _BLOCKED),
    ),
    Attribute(
        "thread.id",
        "int",
        "The thread that waited, ran or raised, as `threading.get_ident()` numbers it.",
        "140230606411456",
        (_WAIT, _BLOCKED, _THREAD, _RECORD),
    ),
    Attribute(
        "python.thread.native_id",
        "int",
        "The thread as the operating system numbers it.",
        "4243",
        (_THREAD,),
    ),
    Attribute(
        "python.thread.start.duration",
        "double",
        "Seconds from the request to start the thread until its function was entered.",
        "0.00012",
        (_THREAD,),
    ),
    Attribute(
        "python.thread.cpu.time",
        "double",
        "Seconds of CPU time that the thread used.",
        "0.5",
        (_THREAD,),
    ),
    Attribute(
        "python.thread.outcome",
        "string",
        "How the thread ended: its function returned, it exited by SystemExit, or it raised what nobody handled.",
        "returned",
        (_THREAD,),
        values=("returned", "exited", "raised"),
    ),
    Attribute(
        "python.thread.starter.function.name",
        "string",
        "Where the thread was started.",
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
        "The line in `python.thread.starter.file.path`, 0 when unknown.",
        "97",
        (_THREAD,),
    ),
    Attribute(
        "python.lock.link",
        "string",
        "What the span of a slow wait is linked to: the span that the owner of the lock was in.",
        "owner",
        (_LINK,),
        values=("owner",),
    ),
    Attribute(
        "python.thread.link",
        "string",
        "What the span of a thread is linked to: the span that it was started in, or the span of its whole life where "
        "this one is only the part of it that belongs to the trace of the starter.",
        "starter",
        (_LINK,),
        values=("starter", "lifetime"),
    ),
    Attribute(
        "exception.type",
        "string",
        "The class of the exception, as `error.type`.",
        "KeyError",
        (_EVENT, _RECORD),
    ),
    Attribute(
        "exception.message",
        "string",
        "What the exception says.",
        "'CH'",
        (_EVENT, _RECORD),
    ),
    Attribute(
        "exception.stacktrace",
        "string",
        "The whole stack trace, as Python prints it.",
        "Traceback (most recent call last): …",
        (_EVENT, _RECORD),
    ),
)
"""In the order in which they are documented."""
