"""`thread dump`: which processes, in which form, with which exit status."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from .dump import take, take_paused
from .formats.dot import as_dot
from .formats.json_form import as_json
from .formats.text import as_text
from .interpreter.runtime import NoInterpreterError
from .kernel.memory import ProcessGoneError, UnreadableMemoryError
from .kernel.process import LiveProcess, descendants, every_process, exists, may_run_python
from .kernel.rights import explain_refusal
from .views import Dump

NOTHING_CERTAIN: Final = 0
FAILED: Final = 1
CERTAIN: Final = 3
"""Exit status where a finding is certain."""


class CannotDumpError(Exception):
    """Process that cannot be dumped; the message says why, and what helps."""


@dataclass(frozen=True, slots=True)
class Request:
    """Request of a user."""

    pid: int | None
    """None for every Python process that may be read."""
    children: bool = False
    pause: bool = False
    form: str = "text"
    """`text`, `json` or `dot`."""


def dump_processes(request: Request) -> int:
    """Write the dumps that were asked for to stdout, and what went wrong to stderr. Return the exit status."""
    dumps, failures = collect(request)
    for failure in failures:
        sys.stderr.write(f"thread dump: {failure}\n")
    if dumps or request.form == "json":
        sys.stdout.write(_FORMS[request.form](dumps))
    if any(dump.is_hung for dump in dumps):
        return CERTAIN
    return FAILED if failures or not dumps else NOTHING_CERTAIN


def collect(request: Request) -> tuple[list[Dump], list[str]]:
    """Return the dumps that were asked for, those of hung processes first, and what went wrong."""
    dumps: list[Dump] = []
    failures: list[str] = []
    for pid, demanded in _processes(request):
        try:
            dumps.append(dump_process(pid, pause=request.pause))
        except CannotDumpError as error:
            # Nobody asked for a process that happens to be there.
            failures.extend([str(error)] * demanded)
    if request.pid is None and not dumps:
        failures.append("no Python process that we may read")
    return sorted(dumps, key=lambda dump: not dump.is_hung), failures


def _processes(request: Request) -> Iterable[tuple[int, bool]]:
    if request.pid is None:
        return [(pid, False) for pid in sorted(every_process()) if may_run_python(pid)]
    children = descendants(request.pid) if request.children else []
    return [(request.pid, True), *((child, False) for child in children)]


def dump_process(pid: int, *, pause: bool = False) -> Dump:
    """Return the dump of one process. Raises CannotDumpError."""
    if not exists(pid):
        raise CannotDumpError(f"there is no process {pid}")
    try:
        process = LiveProcess(pid)
        return take_paused(process) if pause else take(process)
    except ProcessGoneError as error:
        raise CannotDumpError(str(error)) from None
    except PermissionError:
        raise CannotDumpError(explain_refusal(pid)) from None
    except NoInterpreterError as error:
        raise CannotDumpError(f"process {pid}: {error}") from None
    except UnreadableMemoryError:
        problem = "ended, or began another program, while it was read" if exists(pid) else "has ended"
        raise CannotDumpError(f"process {pid} {problem}") from None


def _texts(dumps: Sequence[Dump]) -> str:
    return "\n".join(map(as_text, dumps))


_FORMS: Final[dict[str, Callable[[Sequence[Dump]], str]]] = {"text": _texts, "json": as_json, "dot": as_dot}
