"""Time since a thread last ran, from the scheduler's own clocks, of which each CPU has one."""

from __future__ import annotations

import os
from typing import Final

_CPU: Final = 36
"""Place of the CPU that a thread ran on last, among the words of /proc/PID/stat behind the name."""


class CpuClocks:
    """Clocks of all CPUs. Each is read by running there for a moment."""

    def __init__(self) -> None:
        self._now: dict[int, float | None] = {}

    def idle(self, last_run: float | None, cpu: int) -> float | None:
        """Return the seconds since a moment on the clock of a CPU, None if they cannot be told."""
        if last_run is None:
            return None
        if cpu not in self._now:
            self._now[cpu] = self._read(cpu)
        now = self._now[cpu]
        return None if now is None else max(0.0, now - last_run)

    def _read(self, cpu: int) -> float | None:
        try:
            allowed = os.sched_getaffinity(0)
            os.sched_setaffinity(0, {cpu})
        except OSError:
            return None
        try:
            return last_run("thread-self")
        finally:
            os.sched_setaffinity(0, allowed)


def last_run(who: str) -> float | None:
    """Return when a thread was last on a CPU, in seconds on the clock of that CPU; None if the kernel does not say."""
    try:
        file = os.open(f"/proc/{who}/sched", os.O_RDONLY | os.O_CLOEXEC)
        try:
            text = os.read(file, 512)
        finally:
            os.close(file)
        start = text.index(b"se.exec_start")
        return float(text[start:].partition(b":")[2].split(None, 1)[0]) / 1000
    except (OSError, ValueError, IndexError):
        return None


def last_cpu(stat: list[str]) -> int:
    """Return the CPU that a thread ran on last, from the words of its stat file behind the name; -1 if unknown."""
    return int(stat[_CPU]) if len(stat) > _CPU else -1
