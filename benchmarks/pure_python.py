"""The pure-Python twin, for installations without a compiler, against a minimal wrapper in Python."""

from __future__ import annotations

import _thread

from thread import _core_py

from ._harness import compare, loop
from ._promises import CALIBRATING, Measured, Promise, Row
from ._script import main


class CountingLock:
    """A lock that only counts its acquisitions."""

    __slots__ = ("_acquire", "_release", "acquisitions")

    def __init__(self) -> None:
        lock = _thread.allocate_lock()
        self._acquire = lock.acquire
        self._release = lock.release
        self.acquisitions = 0

    def __enter__(self) -> bool:
        self._acquire()
        self.acquisitions += 1
        return True

    def __exit__(self, *exception: object) -> None:
        self._release()


def measure() -> Measured:
    ours = CountingLock() if CALIBRATING else _core_py.allocate_lock()
    statement = "with lock: pass"
    return compare(loop(statement, lock=ours), loop(statement, lock=CountingLock()), seconds=2).times


ROWS = (
    Row(
        "pure",
        "with lock: pass, pure-Python twin",
        "a Python wrapper that counts",
        None if CALIBRATING else Promise("≤", 2),
        measure,
    ),
)

if __name__ == "__main__":
    main(ROWS)
