"""A forked child counts from zero and works, whatever the parent's threads are doing."""

from __future__ import annotations

import pytest
from programs import output_of

PROGRAM = """
    import os, queue, sys, threading, time
    from thread import telemetry
    telemetry.instrument()
    rounds = int(sys.argv[1])
    guard, reentrant, permits = threading.Lock(), threading.RLock(), threading.Semaphore(1)
    changed, jobs, ending = threading.Condition(), queue.Queue(), threading.Event()

    def contend():
        while not ending.is_set():
            with guard, reentrant, permits:
                jobs.put(None)
            with changed:
                changed.notify_all()
                changed.wait(0.0001)
            jobs.get()

    def fork():
        child = os.fork()
        if not child:
            recorded = telemetry.snapshot()
            busy = [lock for lock in recorded.locks if lock.acquisitions or lock.contentions or lock.wait.count]
            own = threading.Lock()
            with own:
                pass
            counted = [lock.acquisitions for lock in telemetry.snapshot().locks if lock.name.endswith("fork.own")]
            os._exit(bool(busy or recorded.blocking or recorded.waits or counted != [1]))
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    def fork_while_holding():
        with guard, permits:
            return fork()

    threads = [threading.Thread(target=contend) for _ in range(4)]
    for each in threads:
        each.start()
    statuses = {(fork_while_holding if number % 2 else fork)() for number in range(rounds)}
    ending.set()
    for each in threads:
        each.join()
    print(statuses, telemetry.snapshot().coverage.faults)
"""


def check(rounds: int, timeout: float) -> None:
    assert output_of(PROGRAM, str(rounds), timeout=timeout) == ["{0} 0"]


def test_fork_under_contention() -> None:
    check(50, timeout=60)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_fork_under_contention_a_thousand_times() -> None:
    check(1000, timeout=380)


def test_fork_while_an_exporter_is_at_work() -> None:
    lines = output_of(
        """
        import os, threading
        from thread import telemetry
        telemetry.instrument()
        exporting, gate = threading.Event(), threading.Event()

        class Slow:
            def export(self, snapshot, events):
                exporting.set()
                gate.wait(0.2)

            def shutdown(self, timeout):
                pass

        telemetry.start(Slow(), export_interval=0.001)
        for _ in range(5):
            exporting.wait()
            exporting.clear()
            child = os.fork()
            if not child:
                with threading.Lock():
                    telemetry.stop(5)
                os._exit(telemetry.snapshot().coverage.faults)
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        gate.set()
        """
    )
    assert lines == ["0"] * 5
