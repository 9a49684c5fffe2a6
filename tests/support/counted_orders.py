"""A program that counts for itself: waits, time-outs, threads, exceptions and tasks, by its own clock.

    python -m thread run tests/support/counted_orders.py truth.jsonl

Ten times a second it appends a line of JSON with the Unix time and all counts since its start. The clerks want the
ledger only while its keeper has it, so the number of waits is arranged and not measured.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

HELD = 0.04
"""Seconds for which the keeper has the ledger."""
PATIENCE = 0.01
"""Seconds after which an impatient clerk gives up."""
EVERY = 0.1


class Orders:
    """One ledger, one keeper, two kinds of clerks."""

    def __init__(self) -> None:
        self.ledger = threading.Lock()
        self.opened = threading.Barrier(3)
        self.counts: Counter[str] = Counter()
        self.waited = 0.0

    def keep(self) -> None:
        """Hold the ledger while the clerks want it. The barrier is passed by all three, once in each round."""
        while True:
            with self.ledger:
                self.opened.wait()
                time.sleep(HELD)
            self.counts["acquired"] += 1
            self.counts["rounds"] += 1
            time.sleep(EVERY - HELD)

    def write(self) -> None:
        while True:
            self.opened.wait()
            wanted = time.perf_counter()
            with self.ledger:
                self.waited += time.perf_counter() - wanted
            self.counts["acquired"] += 1
            self.counts["waits"] += 1

    def try_to_write(self) -> None:
        while True:
            self.opened.wait()
            wanted = time.perf_counter()
            acquired = self.ledger.acquire(timeout=PATIENCE)
            self.waited += time.perf_counter() - wanted
            if acquired:
                # On a busy machine it may get the ledger in time.
                self.ledger.release()
                self.counts["acquired"] += 1
                self.counts["waits"] += 1
            else:
                self.counts["gave_up"] += 1

    def deliver(self) -> None:
        raise ConnectionError("the depot is closed")

    def send_couriers(self) -> None:
        while True:
            threading.Thread(target=self.deliver).start()
            self.counts["couriers"] += 1
            time.sleep(0.2)

    def print_invoices(self) -> None:
        def print_one() -> None:
            time.sleep(0.01)
            self.counts["printed"] += 1

        with ThreadPoolExecutor(2, thread_name_prefix="invoices") as printers:
            while True:
                printers.submit(print_one)
                self.counts["invoices"] += 1
                time.sleep(0.05)


def main() -> None:
    orders = Orders()
    threading.excepthook = lambda _: None
    for work in (orders.keep, orders.write, orders.try_to_write, orders.send_couriers, orders.print_invoices):
        threading.Thread(target=work, daemon=True).start()
    with open(sys.argv[1], "w", encoding="utf-8", buffering=1) as truth:
        while True:
            counted = {**orders.counts, "waited": orders.waited, "threads": threading.active_count() - 1}
            truth.write(json.dumps({"time": time.time(), **counted}) + "\n")
            time.sleep(0.1)


if __name__ == "__main__":
    main()
