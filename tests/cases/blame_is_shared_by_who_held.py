"""A wait is blamed on all threads that held the lock meanwhile, in proportion, and the rows add up to the wait.

`quick` holds the lock for a moment, and then `slow` holds it three times for longer. All others arrive during `quick`.
The program itself records when each thread held the lock and when each waited.
"""

import sys
import threading
import time
from collections import defaultdict

from thread import telemetry

telemetry.instrument()
now = time.perf_counter


def quick(lock, holds, waits, held):
    lock.acquire()
    began = now()
    held.set()
    time.sleep(0.03)
    holds.append(("quick", began, now()))
    lock.release()


def slow(lock, holds, waits, held):
    asked = now()
    lock.acquire()
    began = now()
    waits.append((asked, began))
    time.sleep(0.1)
    holds.append(("slow", began, now()))
    lock.release()


def victim(lock, holds, waits, held):
    asked = now()
    lock.acquire()
    waits.append((asked, now()))
    lock.release()


def impatient(lock, holds, waits, held):
    asked = now()
    if lock.acquire(timeout=0.15):
        lock.release()
    waits.append((asked, now()))


def contest(lock):
    """Return the seconds of waiting that each owner caused."""
    holds, waits = [], []
    for _ in range(3):
        held = threading.Event()
        first, *others = [
            threading.Thread(target=function, args=(lock, holds, waits, held))
            for function in (quick, slow, slow, slow, victim, impatient)
        ]
        first.start()
        held.wait()
        for thread in others:
            thread.start()
            time.sleep(0.002)
        for thread in (first, *others):
            thread.join()
    owed = defaultdict(float)
    for owner, began, ended in holds:
        for asked, served in waits:
            owed[owner] += max(0.0, min(ended, served) - max(began, asked))
    return owed


def blamed(name):
    found = defaultdict(float)
    for row in telemetry.snapshot().waits:
        if row.lock == name:
            found[row.owner_site.function.rpartition(".")[2]] += row.time
    return found


wrong = []
for kind in ("Lock", "RLock"):
    owed = contest(telemetry.named(getattr(threading, kind)(), kind))
    said = blamed(kind)
    print(kind, dict(owed), dict(said))
    for owner, seconds in owed.items():
        if abs(said[owner] - seconds) > 0.1 * seconds + 0.1:
            wrong.append(f"{kind}: {owner} is to blame for {seconds:.3f} s, not {said[owner]:.3f} s")
    waited = next(row.wait.sum for row in telemetry.snapshot().locks if row.name == kind)
    if abs(sum(said.values()) - waited) > 1e-6:
        wrong.append(f"{kind}: {waited} s waited, {sum(said.values())} s blamed")
sys.exit("\n".join(wrong) or 0)
