"""The catalogue in memory, so that a product page needs no database statement."""

from __future__ import annotations

import threading
import time

from shop.catalogue import Product, load_catalogue
from shop.pool import ConnectionPool
from shop.tracing import span


class Cache:
    """The products on sale. A refresh replaces all of them at once, so that nobody sees half of a new catalogue."""

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool
        self._guard = threading.Lock()
        self._products: dict[str, Product] = {}
        self._refreshed_at = time.monotonic()

    def get(self, sku: str) -> Product | None:
        """Return the product with this number. None if there is none."""
        with self._guard:
            return self._products.get(sku)

    def skus(self) -> list[str]:
        """Return the numbers of all products."""
        with self._guard:
            return list(self._products)

    def age(self) -> float:
        """Return the seconds since the last refresh."""
        # Not guarded: it is one float, and the health check must answer even if a refresh hangs.
        return time.monotonic() - self._refreshed_at

    def refresh(self) -> None:
        """Reload the catalogue."""
        # A deliberate and common mistake: the guard protects one assignment but is held during all the statements
        # before it. Every product page waits until the database has answered the last of them.
        with span("refresh catalogue"), self._guard:
            self._products = load_catalogue(self._pool)
            self._refreshed_at = time.monotonic()
