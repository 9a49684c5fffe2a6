"""Exports keep their interval when the wall clock is set back by an hour or forward by a day.

Source: openai/openai-agents-python#4057.
"""

import sys
import time
from typing import Any
from unittest import mock

from thread import telemetry

calls: list[float] = []


class Counting:
    def export(self, snapshot: telemetry.Snapshot, events: Any) -> None:
        calls.append(time.monotonic())

    def shutdown(self, timeout: float) -> None:
        pass


def exports_with_clock_set_by(seconds: int) -> int:
    now, now_ns, before = time.time, time.time_ns, len(calls)
    ours = mock.patch("thread._process.clock.time_ns", lambda: now_ns() + seconds * 10**9)
    with mock.patch("time.time", lambda: now() + seconds), ours:
        time.sleep(0.5)
    return len(calls) - before


telemetry.start(Counting(), export_interval=0.05)
counts = [exports_with_clock_set_by(seconds) for seconds in (0, -3600, 86400)]
telemetry.stop()
print("exports in half a second each:", counts)
sys.exit(not all(2 <= count <= 15 for count in counts))
