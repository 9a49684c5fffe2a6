"""Throughput of many threads that want one lock."""

from __future__ import annotations

from functools import partial
from types import ModuleType

from ._harness import OURS, THEIRS, Side, compare, in_threads, loop
from ._promises import Measured, Row, at_least
from ._script import main


def side(module: ModuleType, threads: int) -> Side:
    each = loop("with lock: pass", lock=module.allocate_lock())

    def run(count: int) -> int:
        return in_threads(threads, lambda: each(count // threads))

    return run


def measure(threads: int) -> Measured:
    # A turn is long compared with the interpreter's switch interval.
    return compare(side(OURS, threads), side(THEIRS, threads), seconds=3, turn=0.1).speeds


ROWS = tuple(
    Row(
        f"contended-{threads}",
        f"{threads} threads on one lock, operations a second",
        "the interpreter's lock",
        at_least({(3, 11): 1.4, (3, 14): None}),
        partial(measure, threads),
    )
    for threads in (2, 8, 32)
)

if __name__ == "__main__":
    main(ROWS)
