"""Cost of acquiring a lock that no other thread wants."""

from __future__ import annotations

from functools import partial

from ._harness import OURS, THEIRS, compare, loop
from ._promises import Measured, Row, at_most
from ._script import main


def measure(kind: str, statement: str) -> Measured:
    ours, theirs = (getattr(module, kind)() for module in (OURS, THEIRS))
    return compare(loop(statement, lock=ours), loop(statement, lock=theirs), seconds=2).times


WITH = "with lock: pass"
ACQUIRE = "lock.acquire(); lock.release()"

ROWS = (
    Row(
        "with",
        WITH,
        "the interpreter's lock",
        at_most({(3, 11): 0.6, (3, 15): 1.05}),
        partial(measure, "allocate_lock", WITH),
    ),
    Row(
        "acquire",
        ACQUIRE,
        "the interpreter's lock",
        at_most({(3, 11): 0.35, (3, 14): 0.6, (3, 15): 1.05}),
        partial(measure, "allocate_lock", ACQUIRE),
    ),
    Row(
        "rlock",
        "with rlock: pass",
        "the interpreter's RLock",
        at_most({(3, 11): 0.6, (3, 14): None}),
        partial(measure, "RLock", WITH),
    ),
)

if __name__ == "__main__":
    main(ROWS)
