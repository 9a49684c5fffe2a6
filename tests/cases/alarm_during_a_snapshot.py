"""An exception of a signal handler during a snapshot reaches the program and breaks nothing: every record is counted
once, before and after."""

import random
import signal
import sys
import threading
import time

from thread import telemetry

telemetry.instrument()


class Alarm(Exception):
    pass


def alarm(*arguments):
    raise Alarm


def fail(count):
    for _ in range(count):
        thread = threading.Thread(target=int, args=("x",))
        thread.start()
        thread.join()


threading.excepthook = lambda arguments: None
delays = random.Random(1)
deaths = 0
raised = 0
signal.signal(signal.SIGALRM, alarm)
ends_at = time.monotonic() + 0.5
while raised < 60 or time.monotonic() < ends_at:
    fail(2)
    deaths += 2
    try:
        signal.setitimer(signal.ITIMER_REAL, delays.uniform(1e-6, 3e-4))
        while True:
            telemetry.snapshot()
    except Alarm:
        raised += 1
fail(300)
deaths += 300
snapshot = telemetry.snapshot()
counted = sum(stats.count for stats in snapshot.exceptions)
finished = sum(stats.finished for stats in snapshot.threads)
lived = sum(stats.lifetime.count for stats in snapshot.threads)
print(f"{raised} interruptions, {deaths} deaths; counted: {counted} exceptions, {finished} ends, {lived} lives")
sys.exit(not counted == finished == lived == deaths or snapshot.coverage.faults)
