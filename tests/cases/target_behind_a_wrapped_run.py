"""Threads keep their targets' names if another library wraps `Thread.run`, before observation begins or after it.

Source: open-telemetry/opentelemetry-python-contrib#2253. With wrapt, like its instrumentation for threads.
"""

import sys
import threading
import time

try:
    import wrapt
except ImportError:
    print("wrapt is not installed")
    sys.exit(77)

from thread import telemetry


def wrap() -> None:
    wrapt.wrap_function_wrapper("threading", "Thread.run", lambda wrapped, _, args, kwargs: wrapped(*args, **kwargs))


def collect() -> None:
    pass


def deliver() -> None:
    time.sleep(0.05)


class Poller(threading.Thread):
    def run(self) -> None:
        super().run()


telemetry.instrument()
original = threading.Thread.run
for step in "plain", "wrapped", "observed again":
    if step == "wrapped":
        wrap()
    elif step == "observed again":
        telemetry.uninstrument()
        telemetry.instrument()
    for thread in threading.Thread(target=collect), threading.Thread(target=deliver), Poller(target=collect):
        thread.start()
        thread.join()
threading.Thread.run = original  # type: ignore[method-assign]
snapshot = telemetry.snapshot()
found = sorted((each.target, each.started) for each in snapshot.threads)
joined = {each.name for each in snapshot.blocking if each.kind == "join"}
print("targets:", found, "joined:", joined)
right = found == [("__main__:Poller.run", 3), ("__main__:collect", 3), ("__main__:deliver", 3)]
sys.exit(not right or not joined <= {"__main__:Poller.run", "__main__:collect", "__main__:deliver"})
