"""Subclasses of Thread, ThreadPoolExecutor, Semaphore and Future that keep a `_telemetry` of their own.

They work as before, and a thread's target keeps its name. Source: lmnr-ai/lmnr-python#203.
"""

import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor

if "--stock" not in sys.argv:
    from thread import telemetry

    telemetry.instrument()


class Client:
    def event(self, name):
        pass


class Poller(threading.Thread):
    def __init__(self):
        super().__init__()
        self._telemetry = Client()

    def run(self):
        self._telemetry.event("poll")


class Pool(ThreadPoolExecutor):
    def __init__(self, workers):
        super().__init__(workers)
        self._telemetry = Client()


class Limit(threading.BoundedSemaphore):
    def __init__(self, value):
        super().__init__(value)
        self._telemetry = Client()


class Reply(Future):
    def __init__(self):
        super().__init__()
        self._telemetry = Client()


wrong = []


def check(what, action):
    try:
        if action() is not True:
            wrong.append(what)
    except Exception as error:
        wrong.append(f"{what}: {error!r}")


def pool():
    with Pool(1) as made:
        return made.submit(int, "3").result() == 3


def limit():
    made = Limit(1)
    with made:
        pass
    return True


def reply():
    made = Reply()
    made.set_exception(LookupError())
    try:
        made.result()
    except LookupError:
        return type(made._telemetry) is Client


def poller():
    made = Poller()
    made.start()
    made.join()
    if "--stock" in sys.argv:
        return True
    return "__main__:Poller.run" in [each.target for each in telemetry.snapshot().threads]


for action in pool, limit, reply, poller:
    check(action.__name__, action)
print("wrong:", wrong or "nothing")
sys.exit(bool(wrong))
