"""Mistakes that a type checker must find, each on a line that says so. Never run."""

import thread
from thread import telemetry


def work(number: int) -> None: ...


thread.allocate_lock("cache")  # wrong
thread.allocate_lock(name=1)  # wrong
thread.start_new_thread(work, [1])  # wrong
thread.start_new_thread(work, ("1",))  # wrong
thread.start_new_thread(work, (1,), name=2)  # wrong
thread.no_such_name  # wrong
thread.allocate_lock().acquire(timeout="1")  # wrong

telemetry.start(1)  # wrong
telemetry.start(slow_wait="10 ms")  # wrong
telemetry.configure(slow_wait_ms=10)  # wrong
telemetry.stop(timeout="1")  # wrong
telemetry.snapshot().lock  # wrong
telemetry.snapshot().taken_at = 0.0  # wrong
telemetry.snapshot().locks[0].acquisitions += 1  # wrong


class NoShutdown:
    def export(self, snapshot: telemetry.Snapshot, events: list[telemetry.Event]) -> None: ...


telemetry.start(NoShutdown())  # wrong
