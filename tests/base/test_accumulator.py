"""Records that are added from anywhere are folded once each."""

from __future__ import annotations

import threading

import pytest
from interruptions import Interruption, interrupted_by

from thread._base import accumulator as accumulator_module
from thread._base.accumulator import MOST_PENDING, Accumulator
from thread._base.interruptions import internal_errors_below_the_core


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


def test_a_fold_that_fails_costs_one_record_which_is_counted() -> None:
    folded: list[int] = []

    def fold(record: int) -> None:
        if record == 2:
            raise ZeroDivisionError
        folded.append(record)

    accumulator = Accumulator(fold)
    before = internal_errors_below_the_core()
    for record in range(5):
        accumulator.add(record)
    accumulator.settle()
    assert folded == [0, 1, 3, 4]
    assert internal_errors_below_the_core() == before + 1


def test_what_nobody_can_fold_is_bounded_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accumulator_module, "_ADDER_PATIENCE", 0.0)
    accumulator = Accumulator(lambda record: None)
    before = internal_errors_below_the_core()
    with accumulator._guard:
        for record in range(MOST_PENDING + 7):
            accumulator.add(record)
    assert internal_errors_below_the_core() == before + 7
    accumulator.settle()
    accumulator.add(1)
    assert internal_errors_below_the_core() == before + 7


def test_a_fold_that_is_interrupted_goes_on_the_next_time() -> None:
    folded: list[int] = []
    interruptions = [KeyboardInterrupt, Interruption]

    def fold(record: int) -> None:
        if record == 1 and interruptions:
            interrupted_by(interruptions.pop())
        folded.append(record)

    accumulator = Accumulator(fold)
    for record in range(3):
        accumulator.add(record)
    for expected in Interruption, KeyboardInterrupt:
        with pytest.raises(expected):
            accumulator.settle()
    accumulator.settle()
    assert folded == [0, 1, 2]
