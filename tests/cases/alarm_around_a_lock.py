"""A signal handler's exception anywhere inside `with lock:` leaves the lock unlocked."""

import _thread
import random
import signal
import sys
import threading
import time

from thread import telemetry

telemetry.instrument()
if sys.version_info[:2] == (3, 14) and telemetry.snapshot().coverage.core == "c":
    print("on 3.14 a signal handler can come between any lock written in C and the block of `with`, ours or not")
    sys.exit(77)
telemetry.configure(slow_wait=0.0002)


class Alarm(Exception):
    pass


def alarm(*arguments):
    if armed:
        raise Alarm


def spin():
    ends_at = time.perf_counter() + 0.0001
    while time.perf_counter() < ends_at:
        pass


def hold(lock, is_held, done):
    with lock:
        is_held.release()
        time.sleep(0.0004)
    done.release()


def use(lock):
    while True:
        with lock:
            spin()
        with lock, lock if is_reentrant else spare:
            pass


signal.signal(signal.SIGALRM, alarm)
delays = random.Random(5)
armed = False
for round in range(300):
    # Every other hold is timed.
    telemetry.configure(hold_sampling=1 + round % 2)
    is_reentrant = round % 3 == 0
    lock, spare = threading.RLock() if is_reentrant else threading.Lock(), threading.Lock()
    is_held, done = _thread.allocate_lock(), _thread.allocate_lock()
    is_held.acquire()
    done.acquire()
    _thread.start_new_thread(hold, (lock, is_held, done))
    is_held.acquire()
    try:
        armed = True
        signal.setitimer(signal.ITIMER_REAL, delays.uniform(0.0001, 0.001))
        use(lock)
    except Alarm:
        armed = False
    done.acquire()
    if not lock.acquire(timeout=30) or not spare.acquire(timeout=30):
        sys.exit(f"a lock stays locked in round {round}")
    if is_reentrant and lock._recursion_count() != 1:
        sys.exit(f"the lock is still owned in round {round}")
