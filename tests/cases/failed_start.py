"""A thread that failed to start leaves nothing behind once the program drops it, and one that starts at the second try
counts once.

Source: python/cpython#109746, app-sre/qontract-reconcile#1188.
"""

import gc
import sys
import threading
import weakref

from thread import telemetry

telemetry.instrument()
threading.excepthook = lambda arguments: None
LARGEST = 2**46  # more than there is


class Payload:
    pass


def attempt():
    payload = Payload()
    thread = threading.Thread(target=int, args=(payload,))
    try:
        thread.start()
    except RuntimeError:
        return weakref.ref(thread), weakref.ref(payload)
    sys.exit("it started after all")


threading.stack_size(LARGEST)
references = [reference for _ in range(5) for reference in attempt()]
gc.collect()
alive = sum(reference() is not None for reference in references)
if alive:
    sys.exit(f"{alive} of {len(references)} objects are still there")

thread = threading.Thread(target=int, args=("x",))
for _ in range(3):
    try:
        thread.start()
    except RuntimeError:
        pass
threading.stack_size(0)
if sys.version_info >= (3, 13):
    thread = threading.Thread(target=int, args=("x",))  # One whose start failed cannot be started again.
thread.start()
thread.join()
snapshot = telemetry.snapshot()
counted = sum(stats.count for stats in snapshot.exceptions), sum(stats.started for stats in snapshot.threads)
if counted != (1, 1):
    sys.exit(f"one exception of one thread was counted as {counted[0]} of {counted[1]}")
