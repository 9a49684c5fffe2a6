"""The exporters' clocks go on when a test freezes time."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import freezegun
import pytest
import time_machine

from thread import telemetry
from thread._backend import core
from thread_exporters._otel.context import ThreadSpan

MINUTE_NS = 60_000_000_000

STOPPED = pytest.mark.parametrize(
    "stop_time",
    [
        pytest.param(lambda: freezegun.freeze_time("2020-01-01"), id="freezegun"),
        pytest.param(lambda: time_machine.travel(1577836800.0, tick=False), id="time-machine"),
    ],
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere time-machine moves the only such clock")


@STOPPED
def test_the_wall_clock_goes_on(stop_time: Callable[[], AbstractContextManager[object]]) -> None:
    with stop_time():
        assert abs(telemetry.time_ns() - core.time_ns()) < MINUTE_NS


@STOPPED
def test_a_thread_leaves_its_trace_at_the_true_time(stop_time: Callable[[], AbstractContextManager[object]]) -> None:
    span: Any = object.__new__(ThreadSpan)
    span.starter = lambda: None
    with stop_time():
        assert not span.is_open()
    assert abs(span.end_time - core.time_ns()) < MINUTE_NS
