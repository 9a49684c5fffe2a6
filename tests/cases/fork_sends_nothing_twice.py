"""Records that are unsent at a fork are sent only once, by the parent.

Exits with status 0 on success. After DataDog/dd-trace-py#18645.
"""

import collections
import os
import sys
import threading
import time
import warnings
from pathlib import Path

from thread import telemetry

warnings.simplefilter("ignore")
telemetry.instrument()
parent = os.getpid()
log = Path("log").absolute()


class Logging:
    def export(self, snapshot, events):
        with log.open("a") as file:
            for event in events:
                if isinstance(event, telemetry.ThreadFinished):
                    file.write(f"{'parent' if os.getpid() == parent else 'child'} {event.target}\n")

    def shutdown(self, timeout):
        pass

    def after_fork_in_child(self):
        return True


def before():
    pass


def after():
    pass


def run(target):
    thread = threading.Thread(target=target)
    thread.start()
    thread.join()


telemetry.start(Logging(), export_interval=3600)
for _ in range(20):
    run(before)
child = os.fork()
run(after)
time.sleep(0.3)
telemetry.stop()
if child == 0:
    os._exit(0)
os.waitpid(child, 0)
counts = collections.Counter(log.read_text().splitlines())
print(dict(counts))
sys.exit(counts != {"parent __main__:before": 20, "parent __main__:after": 1, "child __main__:after": 1})
