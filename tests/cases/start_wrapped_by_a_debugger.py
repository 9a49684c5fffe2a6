"""`instrument()` does not raise after a debugger has replaced the function that starts threads.

Locks and threads are observed under their own names, and the debugger goes on seeing each thread, whether it came
before `instrument()` or after it. Source: microsoft/debugpy#1689.
"""

import _thread
import sys
import threading
from typing import Any

from thread import telemetry

name = "_start_joinable_thread" if sys.version_info >= (3, 13) else "_start_new_thread"
seen: list[str] = []


class Debugger:
    def __init__(self, module: Any, name: str) -> None:
        self.original = getattr(module, name)
        setattr(module, name, self.start)

    def start(self, function: Any, *arguments: Any, **keywords: Any) -> Any:
        def traced(*inner: Any) -> Any:
            seen.append(type(getattr(function, "__self__", None)).__name__)
            return function(*inner)

        return self.original(traced, *arguments, **keywords)


def work() -> None:
    with guard:
        pass


def fail() -> None:
    raise LookupError("not here")


def run(target: Any) -> None:
    thread = threading.Thread(target=target)
    thread.start()
    thread.join()


threading.excepthook = lambda arguments: None
Debugger(threading, name)
native = Debugger(_thread, "start_new_thread").original
telemetry.instrument()
guard = threading.Lock()
run(work)
run(fail)
done = threading.Semaphore(0)
_thread.start_new_thread(done.release, ())
assert done.acquire(timeout=10)
Debugger(threading, name)
run(work)
run(fail)
telemetry.uninstrument()
snapshot = telemetry.snapshot()
locks = [lock.acquisitions for lock in snapshot.locks if lock.name == "__main__:guard"]
threads = {(each.target, each.started) for each in snapshot.threads}
exceptions = [(each.target, each.count) for each in snapshot.exceptions]
expected = {("__main__:work", 2), ("__main__:fail", 2), ("threading:Semaphore.release", 1)}
print("acquisitions:", locks, threads, exceptions, "seen by the debugger:", seen)
right = locks == [2] and threads == expected and exceptions == [("__main__:fail", 2)]
sys.exit(not right or seen.count("Thread") < 4 or snapshot.coverage.faults > 0)
