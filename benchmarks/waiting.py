"""Waiting time of a thread for a lock that others take again at once.

One thread holds the lock for a while, releases it and takes it again, while another one wants it now and then. Or eight
equal threads hold and release it. Only real waits count, not acquisitions that found the lock free.
"""

from __future__ import annotations

import _thread
import statistics
import time
from collections.abc import Callable
from functools import cache, partial
from types import ModuleType

from ._harness import OURS, THEIRS, clock, duration, undisturbed, wait_for_threads
from ._promises import Measured, Row, at_most
from ._script import main

AGAINST = "the interpreter's lock"
HOLDS = (0.0001, 0.001, 0.01, 0.03)
PAUSE = 0.002
"""Pause between the waits of the thread that wants the lock now and then."""
EQUALS = 8
EQUAL_HOLD = 0.001
TURN = 0.5
TURNS = 8


class Contest:
    """Threads that want one lock for a while, and their waiting times in nanoseconds."""

    def __init__(self, module: ModuleType, hold: float) -> None:
        self._lock = module.allocate_lock()
        self._hold = hold
        self._over = False
        self.waits: list[int] = []

    def _wait(self) -> None:
        if not self._lock.acquire(False):
            began = clock()
            self._lock.acquire()
            self.waits.append(clock() - began)

    def _take_again_at_once(self) -> None:
        while not self._over:
            with self._lock:
                time.sleep(self._hold)

    def _want_now_and_then(self) -> None:
        while not self._over:
            time.sleep(PAUSE)
            self._wait()
            self._lock.release()

    def _be_one_of_equals(self) -> None:
        while not self._over:
            self._wait()
            time.sleep(self._hold)
            self._lock.release()

    def with_one_that_takes_it_again(self) -> list[int]:
        return self._run(self._take_again_at_once, self._want_now_and_then)

    def of_equals(self) -> list[int]:
        return self._run(*[self._be_one_of_equals] * EQUALS)

    def _run(self, *parts: Callable[[], None]) -> list[int]:
        before = _thread._count()
        for part in parts:
            _thread.start_new_thread(part, ())
        time.sleep(TURN)
        self._over = True
        wait_for_threads(before)
        return self.waits


def behind_one(hold: float, module: ModuleType) -> list[int]:
    return Contest(module, hold).with_one_that_takes_it_again()


def among_equals(module: ModuleType) -> list[int]:
    return Contest(module, EQUAL_HOLD).of_equals()


@cache
def waits(contest: Callable[[ModuleType], list[int]]) -> tuple[list[int], list[int]]:
    """Compare both sides in short alternating turns."""
    ours: list[int] = []
    theirs: list[int] = []
    with undisturbed():
        for turn in range(TURNS):
            sides = [(OURS, ours), (THEIRS, theirs)]
            for module, all_waits in sides if turn % 2 else reversed(sides):
                all_waits += contest(module)
    return ours, theirs


def measure(contest: Callable[[ModuleType], list[int]], percentile: int) -> Measured:
    ours, theirs = (statistics.quantiles(side, n=100)[percentile - 1] for side in waits(contest))
    return Measured((ours / theirs,), f"{duration(ours)} against {duration(theirs)}")


def rows(name: str, work: str, contest: Callable[[ModuleType], list[int]]) -> tuple[Row, ...]:
    return tuple(
        Row(f"{name}-p{nth}", f"{work}, p{nth}", AGAINST, at_most(1.1), partial(measure, contest, nth))
        for nth in (50, 99)
    )


ROWS = (
    *(
        row
        for hold in HOLDS
        for row in rows(
            f"waiting-{hold * 1000:g}",
            f"a waiter's latency, the owner takes the lock again at once, held {hold * 1000:g} ms",
            partial(behind_one, hold),
        )
    ),
    *rows("waiting-equals", f"a waiter's latency, {EQUALS} equal threads, {EQUAL_HOLD * 1000:g} ms each", among_equals),
)

if __name__ == "__main__":
    main(ROWS)
