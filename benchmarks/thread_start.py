"""Starting and finishing threads one after another, observed but without an exporter."""

from __future__ import annotations

import _thread
from itertools import repeat
from types import ModuleType

from ._harness import OURS, THEIRS, Side, clock, compare, wait_for_threads
from ._promises import Measured, Row, at_most
from ._script import main


def side(module: ModuleType) -> Side:
    start_new_thread = module.start_new_thread
    done = _thread.allocate_lock()
    done.acquire()

    def work() -> None:
        done.release()

    def run(count: int) -> int:
        running = _thread._count()
        start = clock()
        for _ in repeat(None, count):
            start_new_thread(work, ())
            done.acquire()
        # Include everything that happens after the thread's own work.
        wait_for_threads(running)
        return clock() - start

    return run


def measure() -> Measured:
    return compare(side(OURS), side(THEIRS), seconds=6, turn=0.02).times


ROWS = (
    Row("thread-start", "starting and finishing a thread", "_thread.start_new_thread", at_most(1.05), measure),
)

if __name__ == "__main__":
    main(ROWS)
