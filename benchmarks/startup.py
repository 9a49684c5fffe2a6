"""CPU time per Python process for observation from the start of the interpreter."""

from __future__ import annotations

import os
import resource
import subprocess
import sys

from ._promises import CALIBRATING, Measured, Row, at_most
from ._script import main

ROUNDS = 20
AGAINST = "the same without it"


def recording_only() -> Measured:
    return compared({"THREAD_TELEMETRY": "1", "THREAD_TELEMETRY_EXPORTERS": "none"})


def with_a_page() -> Measured:
    return compared({"THREAD_TELEMETRY": "1", "THREAD_TELEMETRY_PORT": "0"})


def compared(switches: dict[str, str]) -> Measured:
    """Compare the CPU time with and without these variables, in turns."""
    plain = {"THREAD_TELEMETRY": "0"}
    pairs = [(cpu_time(plain if CALIBRATING else switches), cpu_time(plain)) for _ in range(ROUNDS)]
    ours, theirs = (sorted(side)[ROUNDS // 2] * 1e3 for side in zip(*pairs, strict=True))
    return Measured(tuple(ours / theirs for ours, theirs in pairs), f"{ours:.1f} ms against {theirs:.1f} ms")


def cpu_time(switches: dict[str, str]) -> float:
    """Return the seconds that an idle Python process takes from start to end."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", ""], env=os.environ | switches, stderr=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


ROWS = (
    Row("startup", "start of Python, THREAD_TELEMETRY=1, no exporter", AGAINST, at_most(3.5), recording_only),
    Row("startup-page", "start of Python, THREAD_TELEMETRY=1, a page of metrics", AGAINST, at_most(5), with_a_page),
)

if __name__ == "__main__":
    main(ROWS)
