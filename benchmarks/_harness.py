"""Comparison of two sides in short alternating turns, in one process."""

from __future__ import annotations

import _thread
import gc
import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType

import thread

from ._promises import CALIBRATING, Measured

OURS: ModuleType = _thread if CALIBRATING else thread
THEIRS: ModuleType = _thread

Side = Callable[[int], int]
"""A function that does its work a given number of times and returns the nanoseconds it took."""

clock = time.perf_counter_ns
UNROLLED = 8


def loop(statement: str, **names: object) -> Side:
    """Make a side that executes a statement with `names` as its local variables.

    Each side is compiled on its own, since the interpreter specializes bytecode for the types that it meets there.
    The statement is repeated in the body, so that the loop itself weighs little, and the same on both sides.
    """
    body = "\n        ".join([statement] * UNROLLED)
    source = f"""
def side(count, {"".join(f"{name}={name}, " for name in names)}clock=clock, repeat=repeat):
    start = clock()
    for _ in repeat(None, count):
        {body}
    return clock() - start
"""
    namespace: dict[str, object] = {**names, "clock": clock, "repeat": itertools.repeat}
    exec(compile(source, f"<{statement}>", "exec"), namespace)
    side: Side = namespace["side"]  # type: ignore[assignment]

    def run(count: int) -> int:
        return side(-(-count // UNROLLED))

    return run


@dataclass(frozen=True, slots=True)
class Comparison:
    """Times of alternating turns of two sides, in nanoseconds per piece of work."""

    ours: tuple[float, ...]
    theirs: tuple[float, ...]

    @property
    def times(self) -> Measured:
        """Our time divided by theirs."""
        return Measured(tuple(ours / theirs for ours, theirs in zip(self.ours, self.theirs, strict=True)), self._detail)

    @property
    def speeds(self) -> Measured:
        """Our work in the same time, divided by theirs."""
        return Measured(tuple(theirs / ours for ours, theirs in zip(self.ours, self.theirs, strict=True)), self._detail)

    @property
    def _detail(self) -> str:
        return f"{duration(statistics.median(self.ours))} against {duration(statistics.median(self.theirs))}"


def compare(ours: Side, theirs: Side, *, seconds: float, turn: float = 0.004) -> Comparison:
    """Let two sides take turns of `turn` seconds each, for `seconds` in all. They take turns at going first."""
    with undisturbed():
        count = _count_for(turn, theirs)
        # Run each side until the interpreter has specialized its code.
        for _ in range(3):
            ours(count)
            theirs(count)
        took: list[tuple[float, float]] = []
        deadline = clock() + int(seconds * 1e9)
        while clock() < deadline or len(took) < 3:
            if len(took) % 2:
                of_theirs = theirs(count)
                of_ours = ours(count)
            else:
                of_ours = ours(count)
                of_theirs = theirs(count)
            took.append((of_ours / count, of_theirs / count))
    return Comparison(tuple(pair[0] for pair in took), tuple(pair[1] for pair in took))


def _count_for(turn: float, side: Side) -> int:
    """Return the number of repetitions that fit into `turn` seconds."""
    count = 1
    while (took := side(count)) < turn * 1e9 / 2:
        count = max(2 * count, min(10 * count, int(count * turn * 1e9 / max(took, 1))))
    return max(1, int(count * turn * 1e9 / took))


@contextmanager
def undisturbed() -> Iterator[None]:
    """Turn the garbage collector off. Its time would be charged to whichever side is running."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def in_threads(count: int, work: Callable[[], object]) -> int:
    """Let raw threads do the work at once. Returns the nanoseconds from the start signal to the end of the last one."""
    gate, finished = _thread.allocate_lock(), _thread.allocate_lock()
    gate.acquire()
    finished.acquire()
    waiting = [None] * count
    # Who takes the bottom one is the last.
    others_run = [False] + [True] * (count - 1)

    def run() -> None:
        waiting.pop()
        with gate:
            pass
        work()
        if not others_run.pop():
            finished.release()

    before = _thread._count()
    for _ in range(count):
        _thread.start_new_thread(run, ())
    while waiting:
        time.sleep(0.0001)
    start = clock()
    gate.release()
    finished.acquire()
    took = clock() - start
    wait_for_threads(before)
    return took


def wait_for_threads(running: int) -> None:
    """Wait until at most the given number of threads run."""
    while _thread._count() > running:
        time.sleep(0)


def duration(nanoseconds: float) -> str:
    """Format a duration for people."""
    for unit, size in (("ns", 1.0), ("µs", 1e3), ("ms", 1e6)):
        if nanoseconds < 1000 * size:
            return f"{nanoseconds / size:.3g} {unit}"
    return f"{nanoseconds / 1e9:.3g} s"
