"""A waiter soon gets a lock that its owner takes again at once, as with the interpreter's own lock."""

import statistics
import sys
import threading
import time

from thread import telemetry

telemetry.instrument()
WAITS = 15
MOST_TURNS = 10  # of the other thread during one wait; it was about 90


def turns_during_waits(lock):
    turns, over = [0], []

    def take_again_at_once():
        while not over:
            with lock:
                turns[0] += 1
                time.sleep(0.001)

    other = threading.Thread(target=take_again_at_once)
    other.start()
    found = []
    for _ in range(WAITS):
        time.sleep(0.002)
        before = turns[0]
        with lock:
            found.append(turns[0] - before)
    over.append(True)
    other.join()
    return found


for make in (threading.Lock, threading.RLock):
    found = turns_during_waits(make())
    print(make, found)
    if statistics.median(found) > MOST_TURNS:
        sys.exit(f"the other thread had {found} turns while one waited")
