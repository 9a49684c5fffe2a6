"""The worker that prepares orders for the parcel service in the background."""

from __future__ import annotations

import queue
import threading

from shop.ordering import Order
from shop.pool import ConnectionPool

PARCEL_RATES = {"AT": 990, "BE": 890, "DE": 490, "DK": 990, "FR": 990, "NL": 790}
"""Price of a parcel in cents. Switzerland is on the order form but missing here: a deliberate mistake."""

FREE_POSTAGE_FROM = 25_000
"""Value in cents from which orders ship for free."""


def postage(order: Order) -> int:
    """Return the postage of an order in cents."""
    rate = PARCEL_RATES[order.country]
    return 0 if order.total_cents >= FREE_POSTAGE_FROM else rate


class Fulfilment:
    """A queue of orders and one worker. An order that kills the worker stays without postage in the database."""

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool
        self._orders: queue.Queue[Order | None] = queue.Queue()
        self._hiring = threading.Lock()
        self._worker: threading.Thread | None = None
        self.workers_started = 0

    def submit(self, order: Order) -> None:
        """Queue an order, and start a worker if there is none or the last one has died."""
        self._orders.put(order)
        with self._hiring:
            if self._worker is None or not self._worker.is_alive():
                self.workers_started += 1
                self._worker = threading.Thread(target=self._work, name=f"fulfilment-{self.workers_started}")
                self._worker.daemon = True
                self._worker.start()

    def waiting(self) -> int:
        """Return the number of orders in the queue."""
        return self._orders.qsize()

    def close(self) -> None:
        """End the worker once it has finished the queued orders."""
        self._orders.put(None)
        with self._hiring:
            if self._worker is not None:
                self._worker.join()

    def _work(self) -> None:
        while (order := self._orders.get()) is not None:
            self._frank(order)

    def _frank(self, order: Order) -> None:
        cents = postage(order)
        with self._pool.connection() as connection:
            connection.query("UPDATE orders SET postage_cents = ? WHERE number = ?", cents, order.number)
