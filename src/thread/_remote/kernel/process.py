"""Processes and their kernel threads, as /proc shows them."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from .idle import CpuClocks, last_cpu, last_run
from .memory import Memory, ProcessGoneError, ProcessMemory

_NUMBERS: Final = {"x86_64": 202, "aarch64": 98, "riscv64": 98, "ppc64le": 221}
_FUTEX: Final = _NUMBERS.get(os.uname().machine, -1)
"""Number of the system call by which a thread sleeps on a word of memory."""


@dataclass(frozen=True, slots=True)
class Image:
    """Program or library that a process has mapped: the address of its first byte, and the file."""

    base: int
    path: str


@dataclass(frozen=True, slots=True)
class Task:
    """Kernel thread."""

    native_id: int
    """Thread id as the process itself sees it, in its own namespace."""
    tid: int
    """Thread id as we see it."""
    state: str
    """R runs, S sleeps, D sleeps and cannot be woken, T is stopped, t is traced, Z has ended."""
    runs: tuple[int, ...]
    """Counters that change whenever it runs; empty where the kernel has none."""
    system_call: tuple[int, ...] | None
    """Number and arguments of the system call that it sleeps in; () in none; None where the kernel does not say."""
    cpu: int
    """CPU that it ran on last."""

    @property
    def futex(self) -> int | None:
        """Address of the word that it sleeps on; 0 if on none; None where the kernel does not say."""
        if self.system_call is None:
            return None
        if len(self.system_call) > 4 and self.system_call[0] == _FUTEX:
            return self.system_call[1]
        return 0

    @property
    def has_time_limit(self) -> bool:
        """True if its sleep on a word ends by itself."""
        return bool(self.futex and self.system_call and self.system_call[4])


class Process(Protocol):
    """Source of a dump: a live process, or one that was recorded."""

    pid: int
    memory: Memory

    def images(self) -> tuple[Image, ...]:
        """Return the programs and libraries that are mapped, the most likely ones to hold an interpreter first."""
        ...

    def tasks(self) -> dict[int, Task]:
        """Return its kernel threads by native id."""
        ...

    def idle(self, task: Task) -> float | None:
        """Return the seconds since a thread last ran, None if the kernel does not say."""
        ...

    def open_image(self, image: Image) -> bytes | mmap.mmap | None:
        """Return the content of the file of an image, or None if it cannot be read."""
        ...


class LiveProcess:
    """Process that runs now, seen through /proc."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.memory: Memory = ProcessMemory(pid)
        self._clocks = CpuClocks()
        self._nested = len(status_of(pid).get("NSpid", "").split()) > 1

    def images(self) -> tuple[Image, ...]:
        try:
            with open(f"/proc/{self.pid}/maps", encoding="utf-8", errors="surrogateescape") as file:
                lines = file.read().splitlines()
        except (FileNotFoundError, ProcessLookupError):
            raise ProcessGoneError(f"process {self.pid} has ended") from None
        found = []
        for line in lines:
            words = line.split(maxsplit=5)
            if len(words) == 6 and words[2] == "00000000" and words[5].startswith("/"):
                found.append(Image(int(words[0].partition("-")[0], 16), words[5].removesuffix(" (deleted)")))
        # The first one is the program. An interpreter is in it, or in a library of its name, or in what embeds it.
        return tuple(sorted(found, key=lambda image: (image is not found[0], "python" not in image.path)))

    def tasks(self) -> dict[int, Task]:
        found = {}
        for tid in task_ids(self.pid):
            task = self._task(tid)
            if task is not None:
                found[task.native_id] = task
        return found

    def open_image(self, image: Image) -> mmap.mmap | None:
        for path in (f"/proc/{self.pid}/root{image.path}", f"/proc/{self.pid}/exe"):
            try:
                with open(path, "rb") as file:
                    return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            except (OSError, ValueError):
                continue
        return None

    def idle(self, task: Task) -> float | None:
        return self._clocks.idle(last_run(f"{self.pid}/task/{task.tid}"), task.cpu)

    def _task(self, tid: int) -> Task | None:
        folder = f"/proc/{self.pid}/task/{tid}"
        stat = _read(f"{folder}/stat")
        if stat is None:
            return None
        native_id = tid
        if self._nested:
            native_id = int(status_of(f"{self.pid}/task/{tid}").get("NSpid", str(tid)).split()[-1])
        runs = tuple(int(word) for word in (_read(f"{folder}/schedstat") or "").split())
        words = stat.rpartition(")")[2].split()
        return Task(native_id, tid, words[0], runs, _system_call(folder), last_cpu(words))


def task_ids(pid: int) -> list[int]:
    """Return the ids of the kernel threads of a process. Raises ProcessGoneError."""
    try:
        return sorted(int(name) for name in os.listdir(f"/proc/{pid}/task"))
    except (FileNotFoundError, ProcessLookupError):
        raise ProcessGoneError(f"process {pid} has ended") from None


def state_of(pid: int, tid: int) -> str:
    """Return the letter of the state of a kernel thread, Z if there is none."""
    stat = _read(f"/proc/{pid}/task/{tid}/stat")
    return stat.rpartition(")")[2].split()[0] if stat else "Z"


def _system_call(folder: str) -> tuple[int, ...] | None:
    said = _read(f"{folder}/syscall")
    if said is None:
        return None
    words = said.split()
    if not words or words[0] in ("running", "-1"):
        return ()
    try:
        return tuple(int(word, 0) for word in words)
    except ValueError:
        return None


def _read(path: str) -> str | None:
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        return os.read(file, 8192).decode("utf-8", "replace")
    except OSError:
        return None
    finally:
        os.close(file)


def _read_all(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return None


def status_of(who: int | str) -> dict[str, str]:
    """Return the lines of /proc/PID/status by name; nothing if there is no such process."""
    lines = (_read(f"/proc/{who}/status") or "").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def exists(pid: int) -> bool:
    """True if there is such a process, and it has not ended."""
    return status_of(pid).get("State", "Z")[:1] not in ("Z", "X")


def every_process() -> Iterator[int]:
    """Ids of all processes that we see, ourselves left out."""
    for name in os.listdir("/proc"):
        if name.isdecimal() and int(name) != os.getpid():
            yield int(name)


def may_run_python(pid: int) -> bool:
    """True if a process has mapped anything with `python` in its path, as all do that have imported a module in C."""
    return "python" in (_read_all(f"/proc/{pid}/maps") or "")


def descendants(pid: int) -> list[int]:
    """Return the children of a process, and theirs, in the order of their ids."""
    parents = {process: int(status_of(process).get("PPid", "0")) for process in every_process()}
    family = [pid]
    for member in family:
        family.extend(sorted(child for child, parent in parents.items() if parent == member and child not in family))
    return family[1:]


def command_of(pid: int) -> str:
    """Return the command line of a process, or its name where it has none."""
    words = (_read(f"/proc/{pid}/cmdline") or "").split("\0")
    return " ".join(word for word in words if word) or status_of(pid).get("Name", "?")
