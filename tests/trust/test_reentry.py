"""The recorder can be re-entered from anywhere: by finalizers, signal handlers, exporters and their logging."""

from __future__ import annotations

import pytest
from programs import output_of

PROGRAM = """
    import collections, faulthandler, gc, logging, queue, signal, sys, threading
    faulthandler.dump_traceback_later(100, exit=True)
    sys.setswitchinterval(0.0001)
    from thread import telemetry
    telemetry.instrument()
    telemetry.configure(slow_wait=0.0, hold_sampling=1)
    logging.basicConfig(stream=open("/dev/null", "w"), level=logging.INFO)
    log = logging.getLogger("reentry")
    rounds = collections.Counter()
    simple = queue.SimpleQueue()

    def use_everything(entered_from):
        # Separate locks, so that the program cannot deadlock by itself.
        rounds[entered_from] += 1
        for lock in threading.Lock(), threading.RLock(), threading.Semaphore(1):
            with lock:
                lock.acquire(blocking=False)
        threading.Event().wait(0.000001)
        simple.put(None)
        simple.get()
        if rounds[entered_from] % 100 == 0:
            telemetry.snapshot()

    class Finalized:
        created = 0

        def __init__(self):
            self.cycle = self
            Finalized.created += 1

        def __del__(self):
            use_everything("finalizer")

    class Exporter:
        def export(self, snapshot, events):
            with threading.Lock():
                log.info("%d locks, %d events", len(snapshot.locks), len(events))
            for _ in range(20):
                use_everything("exporter")

        def shutdown(self, timeout):
            pass

    signal.signal(signal.SIGALRM, lambda signum, frame: use_everything("signal handler"))
    telemetry.start(Exporter(), export_interval=0.001, export_timeout=60.0)
    gc.set_threshold(200)
    guard = threading.Lock()
    ending = threading.Event()

    def contend():
        while not ending.is_set():
            with guard:
                pass

    contender = threading.Thread(target=contend)
    contender.start()
    while min(rounds[each] for each in ("finalizer", "exporter", "signal handler")) < ROUNDS:
        signal.setitimer(signal.ITIMER_REAL, 0.0002)
        # While one thread finalizes, others collect nothing. Their garbage must not pile up.
        if Finalized.created - rounds["finalizer"] < 100:
            Finalized()
        gc.collect(0)  # What other threads allocate meanwhile starts collections in the midst of anything, too.
        with guard:
            pass
        log.info("round")
    signal.setitimer(signal.ITIMER_REAL, 0)
    ending.set()
    contender.join()
    gc.set_threshold(700)
    gc.collect()  # Nothing is left to be finalized by an interpreter that ends and lets nobody wait.
    print("done", telemetry.snapshot().coverage.faults)
    telemetry.stop()
"""


@pytest.mark.parametrize("rounds", [2_000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_thousands_of_rounds_of_everything_at_once_end(rounds: int) -> None:
    assert output_of(PROGRAM.replace("ROUNDS", str(rounds)), timeout=115) == ["done 0"]
