"""Classes built on threads: two processes take turns, one of them observed, since methods are replaced for all."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from ._harness import Side, compare
from ._promises import CALIBRATING, Measured, Row, at_most
from ._script import main

PLAYER = Path(__file__).with_name("family_player.py")
OBSERVED = () if CALIBRATING else ("--observed",)


@contextmanager
def player(name: str, *options: str) -> Iterator[Side]:
    """A side that runs in its own process."""
    command = [sys.executable, str(PLAYER), *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def run(count: int) -> int:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(f"{name} {count}\n")
            process.stdin.flush()
            return int(process.stdout.readline())

        try:
            yield run
        finally:
            process.kill()


def measure(name: str) -> Measured:
    with player(name, *OBSERVED) as ours, player(name) as theirs:
        return compare(ours, theirs, seconds=3, turn=0.02).times


def row(name: str, work: str, bound: float | None = 1.15) -> Row:
    measured: Callable[[], Measured] = partial(measure, name)
    return Row(name, work, "the same, unobserved", None if bound is None else at_most(bound), measured)


ROWS = (
    row("semaphore", "Semaphore: acquire(); release()"),
    row("condition", "Condition: with, notify()"),
    row("condition-wait", "Condition: two threads in turns"),
    row("event", "Event: set(); is_set(); clear()"),
    row("event-wait", "Event: two threads in turns"),
    row("queue", "Queue: put(); get()"),
    row("queue-wait", "Queue: two threads in turns"),
    row("simple-queue", "SimpleQueue: put(); get()"),
    row("thread", "threading.Thread: start(); join()", None),
    row("executor", "ThreadPoolExecutor: submit().result()", None),
)

if __name__ == "__main__":
    main(ROWS)
