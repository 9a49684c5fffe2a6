"""A signal is handled at once if it arrives while a waiting thread is awake to gather evidence.

Deep stacks make that slow, so that some of the signals hit this moment. A signal still unhandled when the lock is
released was lost.
"""

import random
import signal
import sys
import threading
import time

from thread import telemetry


class Nobody:
    def export(self, snapshot, events):
        pass

    def shutdown(self, timeout):
        pass


telemetry.instrument()
telemetry.start(Nobody(), slow_wait=0.01, stack_depth=1000)
sys.setrecursionlimit(5000)
DEPTH = 900
GIVEN_BACK_AFTER = 1.0


class Alarm(Exception):
    pass


def raise_alarm(*_):
    raise Alarm


def deep(function, depth=DEPTH):
    return function() if depth == 0 else deep(function, depth - 1)


def is_answered(lock, delay):
    """Wait for a lock that another thread holds, until a signal arrives."""
    held, over = threading.Event(), threading.Event()

    def hold():
        with lock:
            held.set()
            over.wait(GIVEN_BACK_AFTER)

    holder = threading.Thread(target=deep, args=(hold,))
    holder.start()
    held.wait()
    answered = False
    try:
        signal.setitimer(signal.ITIMER_REAL, delay)
        deep(lock.acquire)
        lock.release()
        time.sleep(0.1)
    except Alarm:
        answered = not over.is_set() and holder.is_alive()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        over.set()
        holder.join()
    return answered


signal.signal(signal.SIGALRM, raise_alarm)
chance = random.Random(1)
lost = [
    (make.__name__, delay)
    for make in (threading.Lock, threading.RLock, threading.Semaphore)
    for delay in [chance.uniform(0.0095, 0.013) for _ in range(25)]
    if not is_answered(make(), delay)
]
telemetry.stop()
sys.exit(f"answered only when the lock was given back: {lost}" if lost else 0)
