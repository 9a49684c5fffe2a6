"""A process stopped for a few milliseconds, in which the memory that a dump needs is copied.

The first look at the running process says which pages that is. The process goes on before anything is made of the copy,
and goes on, too, when we are killed meanwhile: a child of ours sees to that.
"""

from __future__ import annotations

import os
import select
import signal
import time
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from .memory import PAGE, Memory
from .process import Process, state_of, status_of, task_ids

LIMIT: Final = 0.004
"""Seconds after which copying ends, whether all is copied or not; what lies around it takes less than 1 ms."""
_WATCHDOG: Final = 0.05
"""Seconds after which the child lets the process go on by itself."""
_PAGES_AT_ONCE: Final = 512


class PausedMemory:
    """Copied pages; what is missing among them is read from the running process, and remembered."""

    def __init__(self, memory: Memory, pages: dict[int, bytes]) -> None:
        self._memory = memory
        self._pages = pages
        self.missing: set[int] = set()
        self.is_torn = False
        """True if the process may have gone on before all was copied."""

    def read(self, address: int, size: int) -> bytes:
        page = self._pages.get(address // PAGE)
        if page is None:
            found = self._memory.read(address, size)
            self.missing.update(range(address // PAGE, (address + len(found) - 1) // PAGE + 1))
            return found
        return page[address % PAGE : address % PAGE + size]


class PausedProcess:
    """Process of which a copy was made while it stood still."""

    def __init__(self, process: Process, memory: PausedMemory) -> None:
        self.pid = process.pid
        self.memory: Memory = memory
        self.tasks = process.tasks
        self.images = process.images
        self.idle = process.idle
        self.open_image = process.open_image


def copy_while_stopped(process: Process, numbers: Iterable[int]) -> tuple[PausedMemory, float]:
    """Stop a process, copy pages of its memory, and let it go on. Return the copy and the seconds that it stood still.

    Raises PermissionError where we may not send it signals. A process that is stopped already stays so.
    """
    prepare = getattr(process.memory, "copy_of", None)
    copies = [copy for group in _groups(sorted(numbers)) if prepare and (copy := prepare(group))]
    with _stopped(process.pid) as stop:
        for copy in copies:
            copy.run()
            if time.perf_counter() - stop.began > LIMIT:
                break
    pages = {number: page for copy in copies for number, page in copy.pages().items()}
    memory = PausedMemory(process.memory, pages)
    memory.is_torn = not stop.is_complete or stop.took > _WATCHDOG / 2
    return memory, stop.took


@dataclass(slots=True)
class _Stop:
    """Moment at which a process was stopped, and the seconds until it went on."""

    began: float
    took: float = 0.0
    is_complete: bool = True


def _groups(numbers: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(numbers), _PAGES_AT_ONCE):
        yield numbers[start : start + _PAGES_AT_ONCE]


@contextmanager
def _stopped(pid: int) -> Iterator[_Stop]:
    stop = _Stop(time.perf_counter())
    if status_of(pid).get("State", "")[:1] in ("T", "t"):
        yield stop
        return
    process = os.pidfd_open(pid)
    try:
        with _watchdog(process):
            stop.began = time.perf_counter()
            signal.pidfd_send_signal(process, signal.SIGSTOP)
            try:
                stop.is_complete = _wait_until_stopped(pid)
                yield stop
            finally:
                signal.pidfd_send_signal(process, signal.SIGCONT)
                stop.took = time.perf_counter() - stop.began
    finally:
        os.close(process)


def _wait_until_stopped(pid: int) -> bool:
    """Return True once all threads have stopped, False if that takes too long."""
    deadline = time.perf_counter() + LIMIT / 2
    for tid in task_ids(pid):
        while state_of(pid, tid) not in ("T", "t", "Z", "X"):
            if time.perf_counter() > deadline:
                return False
            time.sleep(0)
    return True


@contextmanager
def _watchdog(process: int) -> Iterator[None]:
    """A child that lets the process go on if we end, or are stopped, before we have done so."""
    waits, ends = os.pipe()
    ready, says = os.pipe()
    with warnings.catch_warnings():
        # The child makes a few system calls, which need no lock that another thread of ours may hold.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            os.close(ends)
            os.write(says, b"r")
            finished, _, _ = select.select([waits], [], [], _WATCHDOG)
            if not finished or not os.read(waits, 1):
                signal.pidfd_send_signal(process, signal.SIGCONT)
        finally:
            os._exit(0)
    try:
        os.close(waits)
        os.read(ready, 1)
        yield
        with suppress(BrokenPipeError):
            os.write(ends, b"d")
    finally:
        for descriptor in (ends, ready, says):
            os.close(descriptor)
        os.waitpid(child, 0)
