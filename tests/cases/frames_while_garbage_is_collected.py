"""Looking at the stack of a lock's owner never hangs the process, whatever garbage there is.

Up to 3.11, `sys._current_frames()` creates objects while it holds a lock of the interpreter. That may start the garbage
collector, which needs the same lock if a thread-local object is garbage. Source:
newrelic/newrelic-python-agent#1299, python/cpython#106883.
"""

import faulthandler
import gc
import sys
import threading
import time

from thread import telemetry

faulthandler.dump_traceback_later(60, exit=True)
telemetry.instrument()
events_seen = [0]


class Counting:
    def export(self, snapshot, events):
        events_seen[0] += len(events)

    def shutdown(self, timeout):
        pass


telemetry.start(Counting(), slow_wait=0.0001, export_interval=0.1)


class Local(threading.local):
    pass


class Node:
    pass


guard = threading.Lock()
ends_at = time.monotonic() + (3 if sys.version_info < (3, 12) else 0.5)


def churn():
    while time.monotonic() < ends_at:
        node = Node()
        node.me = node
        node.local = Local()
        node.local.node = [node]
        with guard:
            time.sleep(0)


thresholds = gc.get_threshold()
gc.set_threshold(5, 2, 2)
threads = [threading.Thread(target=churn) for _ in range(6)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
gc.set_threshold(*thresholds)
telemetry.stop()
print("slow waits:", events_seen[0])
sys.exit(not gc.isenabled())
