"""Rows of either core with names for their fields, for their sites and histograms too."""

from __future__ import annotations

from types import ModuleType
from typing import Any, TypeVar

from thread import _rows
from thread._inspection import unhandled
from thread._observed import executors as observed_executors

Row = TypeVar("Row", bound=tuple[Any, ...])

SITES = {"acquire_site", "owner_site", "site", "starter"}
STACKS = {"acquire_stack", "owner_stack"}
HISTOGRAMS = {"wait", "hold", "start_delay", "lifetime", "duration", "queue_duration", "run_duration"}


def _with_names(field: str, value: Any) -> Any:
    if field in SITES:
        return _rows.SiteRow._make(value)
    if field in STACKS:
        return tuple(map(_rows.SiteRow._make, value))
    if field in HISTOGRAMS and value is not None:
        return _rows.HistogramRow._make(value)
    return value


def named(row_type: type[Row], row: tuple[Any, ...]) -> Row:
    """A row of that type. Fails unless the number of fields is right."""
    plain: Any = row_type
    made = plain._make(row)
    return made._replace(**{field: _with_names(field, value) for field, value in made._asdict().items()})


def lock_rows(core: ModuleType) -> list[_rows.LockRow]:
    return [named(_rows.LockRow, row) for row in core.read_locks()]


def lock_row(core: ModuleType, name: str, kind: str = "lock") -> _rows.LockRow:
    [found] = [row for row in lock_rows(core) if (row.name, row.kind) == (name, kind)]
    return found


def lock_names(core: ModuleType) -> set[str]:
    return {row.name for row in lock_rows(core)}


def blame_rows(core: ModuleType, name: str | None = None) -> list[_rows.BlameRow]:
    rows = [named(_rows.BlameRow, row) for row in core.read_blame()]
    return [row for row in rows if name is None or row.name == name]


def blocking_rows(core: ModuleType) -> list[_rows.BlockingWaitRow]:
    return [named(_rows.BlockingWaitRow, row) for row in core.read_blocking()]


def target_rows(core: ModuleType) -> list[_rows.TargetRow]:
    return [named(_rows.TargetRow, row) for row in core.read_threads()]


def target_row(core: ModuleType, target: str) -> _rows.TargetRow:
    """The row of a target; one of zeros where no thread has run it."""
    nothing = _rows.TargetRow(target, 0, 0, None, None, 0)
    return next((row for row in target_rows(core) if row.target == target), nothing)


def finished_threads(core: ModuleType) -> int:
    return sum(row.finished for row in target_rows(core))


def live_thread_rows(core: ModuleType) -> list[_rows.LiveThreadRow]:
    return [named(_rows.LiveThreadRow, row) for row in core.read_live_threads()]


def current_wait_rows(core: ModuleType) -> list[_rows.CurrentWaitRow]:
    return [named(_rows.CurrentWaitRow, row) for row in core.read_current_waits()]


def waited_for(core: ModuleType) -> set[str]:
    """Names of the locks that threads wait for now."""
    return {wait.lock for wait in current_wait_rows(core)}


def event_rows(core: ModuleType, kind: str | None = None) -> list[Any]:
    """The buffered events, all or those of one kind. Empties the buffer."""
    rows = [named(_rows.EVENT_ROWS[_rows.event_kind(row)], row) for row in core.take_events()]
    return [row for row in rows if kind in (None, row.event)]


def exception_rows() -> list[_rows.ExceptionRow]:
    return [named(_rows.ExceptionRow, row) for row in unhandled.read_exceptions()]


def executor_rows() -> list[_rows.ExecutorRow]:
    return [named(_rows.ExecutorRow, row) for row in observed_executors.read_executors()]
