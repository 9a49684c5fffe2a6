"""A signal handler's exception during a wait for a lock reaches the program exactly once, even if it interrupts the
telemetry while that gathers evidence."""

import random
import signal
import sys
import threading

from thread import telemetry

telemetry.instrument()


class Sink:
    def export(self, snapshot, events):
        pass

    def shutdown(self, timeout):
        pass


telemetry.start(Sink(), slow_wait=0.0002)


class Alarm(Exception):
    pass


def plain(signum, frame):
    raise Alarm


def forgetful(signum, frame):
    del signum, frame
    raise Alarm


class Callable:
    def __call__(self, *arguments):
        raise Alarm

    def method(self, *arguments):
        raise Alarm


handlers = [plain, forgetful, Callable(), Callable().method, lambda *arguments: plain(*arguments)]
random_delays = random.Random(3)
held = threading.Lock()
held.acquire()
faults_before = telemetry.snapshot().coverage.faults
for round in range(250):
    signal.signal(signal.SIGALRM, handlers[round % len(handlers)])
    try:
        signal.setitimer(signal.ITIMER_REAL, random_delays.uniform(0.0001, 0.001))
        # A signal that arrives just before the thread falls asleep is noticed when it wakes up, as with any lock.
        for _ in range(1000):
            held.acquire(timeout=0.01)
        sys.exit(f"the alarm was swallowed in round {round}")
    except Alarm:
        pass
if threading.enumerate() != [threading.current_thread()]:
    sys.exit(f"threads are left: {threading.enumerate()}")
snapshot = telemetry.snapshot()
if any(stats.waiters for stats in snapshot.locks):
    sys.exit("somebody is still said to wait")
if snapshot.coverage.faults != faults_before:
    sys.exit(f"{snapshot.coverage.faults - faults_before} alarms were counted as faults of the telemetry")
