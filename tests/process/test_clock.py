from __future__ import annotations

import time

import pytest

from thread._backend import core
from thread._process import clock


def test_a_point_of_the_monotonic_clock_is_the_unix_time_of_that_moment() -> None:
    before = time.time()
    clock.calibrate()
    converted = clock.unix_time(core.monotonic_ns())
    assert before - 0.01 <= converted <= time.time() + 0.01


def test_differences_are_kept() -> None:
    assert clock.unix_time(5_000_000_000) - clock.unix_time(3_500_000_000) == pytest.approx(1.5, abs=1e-6)


def test_the_same_moment_has_the_same_time_for_ever() -> None:
    moment = core.monotonic_ns()
    first = clock.unix_time(moment)
    for _ in range(100):
        clock.calibrate()
        assert clock.unix_time(moment) == first


def test_a_wall_clock_that_was_set_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = core.monotonic_ns()
    before = clock.unix_time(moment)
    with monkeypatch.context() as patched:
        patched.setattr(clock, "time_ns", lambda: time.time_ns() + 3600 * 10**9)
        clock.calibrate()
        assert clock.unix_time(moment) - before == pytest.approx(3600, abs=0.1)
    clock.calibrate()
    assert clock.unix_time(moment) == pytest.approx(before, abs=0.1)


def test_a_switch_of_threads_between_the_readings_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = core.monotonic_ns()
    before = clock.unix_time(moment)

    def delayed() -> int:
        now = time.time_ns()
        time.sleep(0.05)
        return now

    monkeypatch.setattr(clock, "time_ns", delayed)
    clock.calibrate()
    assert clock.unix_time(moment) == before
