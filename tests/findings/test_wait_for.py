"""The wait-for graph: who is stuck, in which rings, and who waits for them."""

from __future__ import annotations

from collections.abc import Hashable

import pytest

from thread._findings.wait_for import Wait, knots, stuck, suspected, victims


def wait(*enders: Hashable, complete: bool = True, timed: bool = False) -> Wait:
    return Wait(frozenset(enders), complete, timed)


def test_two_that_wait_for_each_other_are_stuck() -> None:
    waits = {"a": wait("b"), "b": wait("a")}
    assert stuck(waits) == {"a", "b"}
    assert knots(waits, {"a", "b"}) == [["a", "b"]]


def test_who_waits_for_itself_is_a_ring_of_one() -> None:
    waits = {"a": wait("a")}
    assert knots(waits, stuck(waits)) == [["a"]]


def test_who_waits_for_somebody_at_work_is_not_stuck() -> None:
    assert stuck({"a": wait("b"), "b": wait("c")}) == set()


@pytest.mark.parametrize("way_out", [wait("a", timed=True), wait("a", complete=False)])
def test_a_way_out_of_one_is_a_way_out_for_all(way_out: Wait) -> None:
    waits = {"a": wait("b"), "b": way_out, "c": wait("a")}
    assert stuck(waits) == set()
    assert suspected(waits) == {"a", "b", "c"}


def test_nobody_is_suspected_whose_ender_is_not_known() -> None:
    assert suspected({"a": wait("b"), "b": wait(complete=False)}) == set()


def test_one_free_worker_keeps_a_pool_alive() -> None:
    waits = {"w1": wait("w1", "w2"), "w2": wait("w1", "w2")}
    assert stuck(waits) == {"w1", "w2"}
    assert stuck({"w1": waits["w1"]}) == set()


def test_victims_wait_for_a_ring_and_are_not_in_it() -> None:
    waits = {"a": wait("b"), "b": wait("a"), "c": wait("a"), "d": wait("c"), "e": wait("f"), "f": wait("e")}
    threads = stuck(waits)
    assert threads == set(waits)
    assert knots(waits, threads) == [["a", "b"], ["e", "f"]]
    assert victims(waits, threads, ["a", "b"]) == ["c", "d"]
    assert victims(waits, threads, ["e", "f"]) == []


def test_a_ring_is_told_in_its_order() -> None:
    waits = {"a": wait("c"), "c": wait("b"), "b": wait("a")}
    assert knots(waits, stuck(waits)) == [["a", "c", "b"]]


def test_thousands_behind_one_ring_are_its_victims() -> None:
    waits: dict[Hashable, Wait] = {number: wait(number - 1) for number in range(1, 2000)}
    waits[0] = wait(0)
    threads = stuck(waits)
    assert knots(waits, threads) == [[0]]
    assert len(victims(waits, threads, [0])) == 1999
