"""Frozen time in a program's tests: timeouts of semaphores, locks, queues and events still expire, and exports go on.

Source: spulec/freezegun#129, DataDog/dd-trace-py#11406. With freezegun and time-machine, which work differently.
"""

import contextlib
import faulthandler
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from thread import telemetry

faulthandler.dump_traceback_later(60, exit=True)
began = time.time()
exported: list[telemetry.Snapshot] = []
events: list[Any] = []


class Collecting:
    def export(self, snapshot: telemetry.Snapshot, some: Any) -> None:
        exported.append(snapshot)
        events.extend(some)

    def shutdown(self, timeout: float) -> None:
        pass


def tools() -> Iterator[tuple[str, Callable[[], contextlib.AbstractContextManager[object]]]]:
    with contextlib.suppress(ImportError):
        from freezegun import freeze_time

        yield "freezegun", lambda: freeze_time("2020-01-01")
    with contextlib.suppress(ImportError):
        import time_machine

        yield "time-machine", lambda: time_machine.travel(1577836800.0, tick=False)


def hold_for(lock: Any, seconds: float) -> threading.Thread:
    holder = threading.Timer(seconds, lock.release)
    lock.acquire()
    holder.start()
    return holder


telemetry.instrument()
telemetry.start(Collecting(), export_interval=0.05, slow_wait=0.01)
wrong = []
available = list(tools())
for name, stop_time in available:
    permit, jobs, ready, pause = threading.Semaphore(0), queue.Queue[int](), threading.Event(), threading.Lock()
    pause.acquire()
    before = len(exported)
    with stop_time():
        answers: list[object] = [permit.acquire(timeout=0.1), ready.wait(0.05), pause.acquire(timeout=0.05)]
        with contextlib.suppress(queue.Empty):
            answers.append(jobs.get(timeout=0.05))
        busy = threading.Lock()
        holder = hold_for(busy, 0.05)
        busy.acquire()
        holder.join()
        for _ in range(200):
            if len(exported) >= before + 3:
                break
            threading.Event().wait(0.05)
        dated = telemetry.snapshot()
    if any(answers):
        wrong.append(f"{name}: acquired {answers}")
    if len(exported) < before + 3:
        wrong.append(f"{name}: {len(exported) - before} exports")
    if not began - 1 <= dated.taken_at <= began + 3600:
        wrong.append(f"{name}: a snapshot of {dated.taken_at}")
telemetry.stop()
slow = [event for event in events if isinstance(event, telemetry.SlowWait)]
if len(slow) < len(available) or not all(began - 1 <= event.started_at <= began + 3600 for event in slow):
    wrong.append(f"slow waits at {[event.started_at for event in slow]}")
if not available:
    print("neither freezegun nor time-machine is installed")
    sys.exit(77)
print("wrong:", wrong or "nothing")
sys.exit(bool(wrong))
