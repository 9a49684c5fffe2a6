"""The interpreter ends cleanly while daemon threads are waiting for things of every kind."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from programs import run

PROGRAM = """
    import queue, threading
    from concurrent.futures import ThreadPoolExecutor
    from thread import telemetry
    telemetry.instrument()
    lock, rlock, permits, event = threading.Lock(), threading.RLock(), threading.Semaphore(0), threading.Event()
    condition, barrier, jobs, simple = threading.Condition(), threading.Barrier(9), queue.Queue(), queue.SimpleQueue()
    lock.acquire()
    rlock.acquire()
    started = threading.Semaphore(0)

    def wait_in(condition):
        with condition:
            condition.wait()

    def wait(how, *args):
        started.release()
        how(*args)

    waits = [
        (lock.acquire,), (lock.acquire, True, 60), (rlock.acquire,), (permits.acquire,), (event.wait,),
        (wait_in, condition), (barrier.wait,), (jobs.get,), (simple.get,),
    ]
    for arguments in waits * 2:
        threading.Thread(target=wait, args=arguments, daemon=True).start()
    for _ in waits * 2:
        started.acquire()
    pool = ThreadPoolExecutor(2)
    pool.submit(int)
    print("end")
"""


def check(runs: int) -> None:
    with ThreadPoolExecutor(2) as pool:
        for finished in pool.map(lambda _: run(PROGRAM, timeout=60), range(runs)):
            assert (finished.returncode, finished.stdout, finished.stderr) == (0, "end\n", "")


def test_daemon_threads_that_wait_do_not_keep_the_interpreter_from_its_end() -> None:
    check(25)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_five_hundred_interpreters_end_well() -> None:
    check(500)
