"""Thread pools: queueing and run times of tasks, busy workers, and unread exceptions.

The program's functions are called exactly as before, and by the same code; the measuring happens around it. Executors
are known by weak references only.
"""

from __future__ import annotations

from _thread import _local
from functools import wraps
from types import ModuleType
from weakref import ref

from .._backend import core
from .._base.accumulator import Accumulator
from .._base.atomic import Counter
from .._base.resets import on_reset
from .._inspection.objects import as_text, attribute, class_name, set_attribute
from .._inspection.targets import describe_target
from .._patching.replacing import Replacement
from .._process.guards import guarded
from . import futures

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Final

    from .._rows import Histogram

RECORD: Final = "_thread_telemetry_executor"
"""The attribute of an executor that holds its record; None in executors not seen yet."""

SUBMITTED: Final = "_thread_telemetry_submitted"
"""The attribute of a task with the totals that it counts for and the time of its submission; None without those."""

MAX_NAMES: Final = 500

_NO_NAME: Final = "ThreadPoolExecutor-"
"""Prefix, before a number, of thread names if the executor was given none."""


class Totals:
    """Totals of all executors with one name."""

    __slots__ = ("finished", "name", "queue", "run", "started", "submitted", "unread")

    def __init__(self, name: str) -> None:
        self.name = name
        self.submitted = Counter()
        self.started = Counter()
        self.finished = Counter()
        self.unread = Counter()
        self.queue = core.HistogramCounts()
        self.run = core.HistogramCounts()


class ExecutorRecord:
    """Record of one executor. It is an attribute of the executor."""

    __slots__ = ("_executor", "totals")

    def __init__(self, executor: Any, name: str) -> None:
        self._executor = ref(executor, lambda _: _live.pop(identifier, None))
        identifier = id(self)
        self.totals = _totals_of(name)
        _live[identifier] = self

    @property
    def is_known(self) -> bool:
        """False in a child process whose parent made it."""
        return id(self) in _live

    def rename(self, name: str) -> None:
        """Record everything from now on under another name."""
        self.totals = _totals_of(name)

    def state(self) -> tuple[int, int]:
        """Number of workers, and number of queued tasks."""
        executor = self._executor()
        if executor is None:
            return 0, 0
        workers = sum([worker.is_alive() for worker in list(executor._threads)])
        ending = bool(executor._shutdown or executor._broken)
        if ending and not workers:
            return 0, 0
        # The items that end the workers are in the queue, too.
        return workers, max(executor._work_queue.qsize() - ending, 0)


_all_totals: dict[str, Totals] = {}
_live: dict[int, ExecutorRecord] = {}
_submitting = _local()


def _totals_of(name: str) -> Totals:
    if name not in _all_totals and len(_all_totals) >= MAX_NAMES:
        name = "other"
    return _all_totals.setdefault(name, Totals(name))


def _fold(measured: tuple[core.HistogramCounts, int]) -> None:
    counts, duration = measured
    # A step of an iterator, since a call of a C function can be interrupted right after it.
    for _ in map(counts.add, (duration,)):
        break


_durations = Accumulator(_fold)


def read_executors() -> Iterator[tuple[str, int, int, int, int, int, int, int, Histogram | None, Histogram | None]]:
    """One row per name, in the order of the fields of `ExecutorRow`."""
    _durations.settle()
    live: dict[str, list[tuple[int, int]]] = {}
    for record in list(_live.values()):
        live.setdefault(record.totals.name, []).append(guarded(record.state, otherwise=(0, 0)))
    for totals in list(_all_totals.values()):
        states = live.get(totals.name, [])
        finished = totals.finished.value
        yield (
            totals.name,
            len(states),
            sum([workers for workers, _ in states]),
            max(totals.started.value - finished, 0),
            sum([queued for _, queued in states]),
            totals.submitted.value,
            finished,
            totals.unread.value,
            totals.queue.read(),
            totals.run.read(),
        )


@on_reset
def _zero() -> None:
    _durations.reset()
    _all_totals.clear()
    _live.clear()


def in_executor(module: ModuleType) -> list[Replacement]:
    """Replacements for the life of executors and of their tasks."""
    executor, work_item = module.ThreadPoolExecutor, module._WorkItem
    return [
        Replacement(executor, RECORD, None),
        Replacement(executor, "__init__", _observed_init(executor.__init__)),
        Replacement(executor, "submit", _observed_submit(executor.submit)),
        Replacement(work_item, SUBMITTED, None),
        Replacement(work_item, "__init__", _observed_work_item(work_item.__init__)),
        Replacement(work_item, "run", _observed_run(work_item.run)),
    ]


def record_of(executor: Any) -> ExecutorRecord | None:
    """The record of an executor, None if it has none yet."""
    return _attribute(executor, RECORD)  # type: ignore[no-any-return]


def _attribute(obj: object, name: str) -> Any:
    try:
        return object.__getattribute__(obj, name)
    except AttributeError:
        return None  # Observation has ended, or never began.


def _observed_init(original: Any) -> Any:
    @wraps(original)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        guarded(_record_made_for, self)

    return __init__


def _record_made_for(executor: Any) -> ExecutorRecord | None:
    """The record of an executor, made when it is first seen. None for executors of the telemetry."""
    record = record_of(executor)
    if (record is None or not record.is_known) and not core.serves_telemetry():
        name = _name_of(executor) if record is None else record.totals.name
        record = ExecutorRecord(executor, name)
        set_attribute(executor, RECORD, record)
    return record


def _name_of(executor: Any) -> str:
    prefix = as_text(attribute(executor, "_thread_name_prefix"))
    is_given = not (prefix.startswith(_NO_NAME) and prefix.removeprefix(_NO_NAME).isdecimal())
    if prefix and is_given:
        return prefix
    # A lock that it made for itself knows its creation site.
    return core.object_name(attribute(executor, "_shutdown_lock")) or class_name(type(executor))[1]


def _observed_submit(original: Any) -> Any:
    @wraps(original)
    def submit(self: Any, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        outer = getattr(_submitting, "record", None)
        _submitting.record = guarded(_record_made_for, self)
        try:
            return original(self, fn, *args, **kwargs)
        finally:
            _submitting.record = outer

    return submit


def _observed_work_item(original: Any) -> Any:
    @wraps(original)
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        record = getattr(_submitting, "record", None)
        if record is not None:
            guarded(_submitted, self, record)

    return __init__


def _submitted(work_item: Any, record: ExecutorRecord) -> None:
    set_attribute(work_item, SUBMITTED, (record.totals, core.monotonic_ns()))
    record.totals.submitted.add()


def _observed_run(original: Any) -> Any:
    @wraps(original)
    def run(self: Any, *context: Any) -> None:
        started = guarded(_started, self)
        try:
            original(self, *context)
        finally:
            if started is not None:
                guarded(_finished, self, *started)
            # Up to 3.12 the stack trace of a task's exception leads here: this frame must keep nothing alive.
            self, context = None, ()

    return run


def _started(work_item: Any) -> tuple[Totals, int, int] | None:
    """Totals that the task counts for, its time in the queue and its start; None for an unobserved task."""
    observed = _attribute(work_item, SUBMITTED)
    if observed is None or work_item.future.cancelled():
        return None
    totals, submitted = observed
    started = core.monotonic_ns()
    totals.started.add()
    return totals, started - submitted, started


def _finished(work_item: Any, totals: Totals, queued: int, started: int) -> None:
    totals.finished.add()
    _durations.add((totals.queue, queued))
    _durations.add((totals.run, core.monotonic_ns() - started))
    future = work_item.future
    if future._exception is not None:
        futures.watch(future, _target_of(work_item), totals.unread.add)


def _target_of(work_item: Any) -> str:
    task = getattr(work_item, "task", None)
    function = task[0] if type(task) is tuple and task else getattr(work_item, "fn", None)
    return "unknown" if function is None else describe_target(function)
