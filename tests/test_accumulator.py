"""Records that are added from anywhere are folded once each."""

from __future__ import annotations

import threading

from thread._accumulator import Accumulator


def test_every_record_of_every_thread_is_folded_once() -> None:
    total = [0]

    def fold(record: int) -> None:
        total[0] += record

    accumulator = Accumulator(fold)

    def add() -> None:
        for _ in range(5_000):
            accumulator.add(1)

    threads = [threading.Thread(target=add) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    accumulator.settle()
    assert total == [40_000]


def test_adding_and_settling_inside_a_fold_neither_waits_nor_loses() -> None:
    folded: list[int] = []

    def fold(record: int) -> None:
        folded.append(record)
        if record < 600:
            # As a signal handler does that interrupts the fold.
            accumulator.add(record + 1)
            accumulator.settle()

    accumulator = Accumulator(fold)
    accumulator.add(0)
    accumulator.settle()
    assert folded == list(range(601))


def test_what_is_pending_can_be_forgotten() -> None:
    folded: list[int] = []
    accumulator = Accumulator(folded.append)
    accumulator.add(1)
    accumulator.reset()
    accumulator.settle()
    assert folded == []
