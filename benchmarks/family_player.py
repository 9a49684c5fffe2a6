"""One side of `benchmarks.family`, which runs the work named on its standard input, observed or not."""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from time import perf_counter_ns as clock

if "--observed" in sys.argv:
    from thread import telemetry

    telemetry.instrument()


def looped(statement: str, **names: object) -> Callable[[int], int]:
    """Execute a statement a given number of times. Returns nanoseconds."""
    source = f"""
def side(count):
    start = clock()
    for _ in repeat(None, count):
        {statement}
    return clock() - start
"""
    namespace: dict[str, object] = {**names, "clock": clock, "repeat": repeat}
    exec(compile(source, f"<{statement}>", "exec"), namespace)
    side: Callable[[int], int] = namespace["side"]  # type: ignore[assignment]
    return side


def two_players(mine: Callable[[], object], other: Callable[[], object]) -> Callable[[int], int]:
    """Let two threads answer each other a given number of times. Returns nanoseconds."""

    def run(count: int) -> int:
        def answer() -> None:
            for _ in repeat(None, count):
                other()

        answering = threading.Thread(target=answer)
        answering.start()
        start = clock()
        for _ in repeat(None, count):
            mine()
        answering.join()
        return clock() - start

    return run


def condition_players() -> Callable[[int], int]:
    condition = threading.Condition()
    turns = [0]

    def play(mine: int) -> None:
        with condition:
            while turns[0] % 2 != mine:
                condition.wait()
            turns[0] += 1
            condition.notify()

    return two_players(lambda: play(0), lambda: play(1))


def event_players() -> Callable[[int], int]:
    asked, answered = threading.Event(), threading.Event()

    def ask() -> None:
        asked.set()
        answered.wait()
        answered.clear()

    def answer() -> None:
        asked.wait()
        asked.clear()
        answered.set()

    return two_players(ask, answer)


def queue_players() -> Callable[[int], int]:
    questions: queue.Queue[None] = queue.Queue()
    answers: queue.Queue[None] = queue.Queue()

    def ask() -> None:
        questions.put(None)
        answers.get()

    def answer() -> None:
        questions.get()
        answers.put(None)

    return two_players(ask, answer)


def started_and_joined() -> Callable[[int], int]:
    return looped("thread = Thread(target=int); thread.start(); thread.join()", Thread=threading.Thread)


SIDES: dict[str, Callable[[], Callable[[int], int]]] = {
    "semaphore": lambda: looped("semaphore.acquire(); semaphore.release()", semaphore=threading.Semaphore(2)),
    "condition": lambda: looped("with condition: condition.notify()", condition=threading.Condition()),
    "condition-wait": condition_players,
    "event": lambda: looped("event.set(); event.is_set(); event.clear()", event=threading.Event()),
    "event-wait": event_players,
    "queue": lambda: looped("q.put(None); q.get()", q=queue.Queue()),
    "queue-wait": queue_players,
    "simple-queue": lambda: looped("q.put(None); q.get()", q=queue.SimpleQueue()),
    "thread": started_and_joined,
    "executor": lambda: looped("pool.submit(int).result()", pool=ThreadPoolExecutor(1)),
}


def main() -> None:
    sides: dict[str, Callable[[int], int]] = {}
    for line in sys.stdin:
        name, count = line.split()
        if name not in sides:
            sides[name] = SIDES[name]()
        print(sides[name](int(count)), flush=True)


if __name__ == "__main__":
    main()
