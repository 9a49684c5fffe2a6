"""Throughput of many threads that want one lock whose owner releases the GIL while it holds the lock.

If the owner sleeps, even briefly, the lock changes hands each time. If it makes a short system call, another thread may
or may not get ahead of it. In that case short turns cost speed, and the promise is lower, because no thread may wait
longer than for the interpreter's lock.
"""

from __future__ import annotations

import os
import time
from functools import partial
from types import ModuleType

from ._harness import OURS, THEIRS, Side, compare, in_threads, loop
from ._promises import Measured, Promise, Row, at_least
from ._script import main

THREADS = (2, 8, 32)
SLEEP = partial(loop, "with lock: sleep(0)", sleep=time.sleep)
READ = partial(loop, "with lock: read(nothing, 1)", read=os.read, nothing=os.open(os.devnull, os.O_RDONLY))


def side(module: ModuleType, threads: int, work: partial[Side]) -> Side:
    each = work(lock=module.allocate_lock())

    def run(count: int) -> int:
        return in_threads(threads, lambda: each(count // threads))

    return run


def measure(threads: int, work: partial[Side]) -> Measured:
    return compare(side(OURS, threads, work), side(THEIRS, threads, work), seconds=2.5, turn=0.05).speeds


def row(name: str, threads: int, what: str, work: partial[Side], promise: Promise | None) -> Row:
    return Row(
        f"{name}-{threads}",
        f"{threads} threads, the owner {what}, operations a second",
        "the interpreter's lock",
        promise,
        partial(measure, threads, work),
    )


ROWS = (
    *(row("hand-over", threads, "sleeps a moment", SLEEP, at_least(0.97)) for threads in THREADS),
    *(
        row("system-call", threads, "makes a system call", READ, at_least({(3, 11): 0.85, (3, 14): 0.7}))
        for threads in THREADS
    ),
)

if __name__ == "__main__":
    main(ROWS)
