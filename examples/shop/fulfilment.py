"""The worker that gets orders ready for the parcel service, while the customers go on with their day."""

from __future__ import annotations

import queue
import threading

from shop.ordering import Order
from shop.pool import ConnectionPool

PARCEL_RATES = {"AT": 990, "BE": 890, "DE": 490, "DK": 990, "FR": 990, "NL": 790}
"""What a parcel costs, in cents. Switzerland came to the order form and was forgotten here: wrong on purpose."""

FREE_POSTAGE_FROM = 25_000
"""Orders worth as many cents go without postage."""


def postage(order: Order) -> int:
    """What sending the order costs, in cents."""
    rate = PARCEL_RATES[order.country]
    return 0 if order.total_cents >= FREE_POSTAGE_FROM else rate


class Fulfilment:
    """A queue of orders and one worker. An order that kills the worker is left without postage in the database."""

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool
        self._orders: queue.Queue[Order | None] = queue.Queue()
        self._hiring = threading.Lock()
        self._worker: threading.Thread | None = None
        self.workers_started = 0

    def submit(self, order: Order) -> None:
        """Queue an order, and start a worker if there is none or the last one died."""
        self._orders.put(order)
        with self._hiring:
            if self._worker is None or not self._worker.is_alive():
                self.workers_started += 1
                self._worker = threading.Thread(target=self._work, name=f"fulfilment-{self.workers_started}")
                self._worker.daemon = True
                self._worker.start()

    def waiting(self) -> int:
        """How many orders nobody has begun with."""
        return self._orders.qsize()

    def close(self) -> None:
        """End the worker after the orders queued before."""
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
