"""Creating locks: time and memory."""

from __future__ import annotations

import tracemalloc
from types import ModuleType

from ._harness import OURS, THEIRS, Side, clock, compare, loop
from ._promises import Measured, Row, at_most
from ._script import main

MANY = 1_000
AGAINST = "the interpreter's lock"
STATEMENT = "allocate_lock()"


def one_after_the_other() -> Measured:
    ours, theirs = (loop(STATEMENT, allocate_lock=module.allocate_lock) for module in (OURS, THEIRS))
    return compare(ours, theirs, seconds=2).times


def all_at_once() -> Measured:
    return compare(many(OURS), many(THEIRS), seconds=2).times


def many(module: ModuleType) -> Side:
    kept: list[object] = []
    create = loop("keep(allocate_lock())", allocate_lock=module.allocate_lock, keep=kept.append)

    def run(count: int) -> int:
        took = 0
        for _ in range(-(-count // MANY)):
            took += create(MANY)
            start = clock()
            kept.clear()
            took += clock() - start
        return took

    return run


def memory() -> Measured:
    return Measured((bytes_of_one(OURS),), f"the interpreter's takes {bytes_of_one(THEIRS):.0f}")


def bytes_of_one(module: ModuleType) -> float:
    """Measure the process's memory per lock with many live locks."""
    count = 20_000
    locks = [None] * count
    # What was dropped before may be kept for reuse; this much of it is used up now.
    reused = [module.allocate_lock() for _ in range(count)]
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for index in range(count):
            locks[index] = module.allocate_lock()
        return (tracemalloc.get_traced_memory()[0] - before) / count
    finally:
        tracemalloc.stop()
        reused.clear()


ROWS = (
    Row("creation", "creating a lock, dropping it", AGAINST, at_most(1.5), one_after_the_other),
    Row("creation-many", f"creating {MANY:,} locks, dropping them", AGAINST, at_most(1.5), all_at_once),
    Row("creation-memory", "memory of a lock", "–", at_most(160), memory, unit="bytes"),
)

if __name__ == "__main__":
    main(ROWS)
