"""Threads made by C code use observed locks, wait and end. They count like others and leave nothing behind.

Source: python/cpython#130522.
"""

import ctypes
import sys
import threading
import time

from thread import telemetry

telemetry.instrument()
events = []


class Collecting:
    def export(self, snapshot, some):
        events.extend(some)

    def shutdown(self, timeout):
        pass


telemetry.start(Collecting(), export_interval=0.05, slow_wait=0.01)
libc = ctypes.CDLL(None)
guard = threading.Lock()
permit = threading.Semaphore(2)
names = []


@ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p)
def body(_):
    with guard:
        names.append(threading.current_thread().name)
    with permit:
        pass
    return 0


for _ in range(3):
    guard.acquire()
    made = [ctypes.c_ulong() for _ in range(4)]
    for each in made:
        assert libc.pthread_create(ctypes.byref(each), None, body, None) == 0
    time.sleep(0.1)
    waiting = len(telemetry.snapshot().live_threads)
    guard.release()
    for each in made:
        libc.pthread_join(each, None)
snapshot = telemetry.snapshot()
telemetry.stop()
lock = next(each for each in snapshot.locks if each.name == "__main__:guard")
found = len(names), waiting, lock.acquisitions, lock.contentions, lock.waiters, len(snapshot.live_threads)
slow = sum(isinstance(event, telemetry.SlowWait) for event in events)
print(found, "slow waits:", slow)
sys.exit(found != (12, 5, 15, 12, 0, 1) or slow != 12)
