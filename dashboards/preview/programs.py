"""Small services, each with one fault, for the incidents that `examples/faults.py` does not have.

    python -m thread run dashboards/preview/programs.py --after 30 deadlock

The service is healthy until the fault begins. Ctrl-C ends it.
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from queue import Queue

_NEVER = threading.Event()


def _start(function: Callable[[], object], number: int = 1) -> None:
    # Nobody ends a fault: the process ends with it.
    for _ in range(number):
        threading.Thread(target=function, daemon=True).start()


class Bank:
    """Transfers take the accounts first, audits the journal."""

    def __init__(self) -> None:
        self.accounts = threading.Lock()
        self.journal = threading.Lock()
        self._both_have_one = threading.Barrier(2)

    def transfer(self) -> None:
        with self.accounts:
            self._both_have_one.wait()
            with self.journal:
                pass

    def audit(self) -> None:
        with self.journal:
            self._both_have_one.wait()
            with self.accounts:
                pass


def deadlock() -> None:
    """Two threads hold one lock each and want the other's; six more want one of them."""
    bank = Bank()
    _start(bank.transfer)
    _start(bank.audit)
    time.sleep(0.5)

    def show_balance() -> None:
        with bank.accounts:
            pass

    _start(show_balance, 6)


def timeouts() -> None:
    """A lock is never free; callers give up after half a second and come again."""
    stock_guard = threading.Lock()

    def count_stock() -> None:
        with stock_guard:
            _NEVER.wait()

    def reserve() -> None:
        while True:
            if stock_guard.acquire(timeout=0.5):
                stock_guard.release()
            time.sleep(0.05)

    _start(count_stock)
    _start(reserve, 4)


def pool_waits_for_itself() -> None:
    """Four tasks each submit another to the pool that they fill, and ask for its result."""
    pool = ThreadPoolExecutor(4, thread_name_prefix="reports")

    def make_chapter() -> str:
        return "chapter"

    def make_report() -> str:
        time.sleep(0.2)
        return pool.submit(make_chapter).result()

    def ask_for_reports() -> None:
        while True:
            pool.submit(make_report)
            time.sleep(2)

    for _ in range(4):
        pool.submit(make_report)
    _start(ask_for_reports)


def permits() -> None:
    """Four connections are never given back; twelve threads wait for one."""
    connections = threading.BoundedSemaphore(4)

    def query() -> None:
        connections.acquire()
        _NEVER.wait()

    _start(query, 16)


def large_pool() -> None:
    """Four of the five threads that work wait for one lock; fifty-nine of the pool are idle."""
    price_guard = threading.Lock()
    work: Queue[int] = Queue()

    def wait_for_work() -> None:
        while True:
            try:
                work.get(timeout=1.0)
            except Exception:
                continue

    def quote() -> None:
        while True:
            with price_guard:
                time.sleep(0.02)

    _start(wait_for_work, 59)
    _start(quote, 5)


def workers_gone() -> None:
    """Four consumers of a queue each die of an item, and nobody takes their place."""
    orders: Queue[str] = Queue()

    def serve_orders() -> None:
        while True:
            int(orders.get())

    _start(serve_orders, 4)
    for _ in range(4):
        orders.put("twelve")


def healthy() -> None:
    """Nothing more than what every one of these services does."""


FAULTS = {
    fault.__name__: fault
    for fault in (deadlock, timeouts, pool_waits_for_itself, permits, large_pool, workers_gone, healthy)
}


def serve() -> None:
    """Answer fifty requests a second with four threads that hardly ever meet."""
    sessions_guard = threading.Lock()

    def answer() -> None:
        while True:
            with sessions_guard:
                sum(range(1000))
            time.sleep(0.08)

    _start(answer, 4)


def main() -> int:
    parser = argparse.ArgumentParser(description="A small service with one fault.")
    parser.add_argument("fault", choices=FAULTS)
    parser.add_argument("--after", type=float, default=0.0, metavar="N", help="seconds until the fault begins")
    options = parser.parse_args()
    serve()
    try:
        time.sleep(options.after)
        FAULTS[options.fault]()
        while True:
            time.sleep(1)
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main())
