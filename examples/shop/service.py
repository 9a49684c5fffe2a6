"""The assembly of the shop from its parts, with the order in which they start and end."""

from __future__ import annotations

import tempfile
from pathlib import Path

from shop.cache import Cache
from shop.fulfilment import Fulfilment
from shop.pool import ConnectionPool
from shop.refresher import Refresher
from shop.storage import create_tables


class Shop:
    """All parts of one shop, running until `close`.

    `database` is the path of a file; processes with the same file are one shop. Without it, the shop has a temporary
    database.
    """

    def __init__(self, database: str | None = None, *, connections: int = 4, refresh_interval: float = 1.0) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="shop-") if database is None else None
        file = database if self._folder is None else str(Path(self._folder.name, "shop.sqlite"))
        assert file is not None
        create_tables(file)
        self.pool = ConnectionPool(file, connections)
        self.cache = Cache(self.pool)
        self.cache.refresh()
        self.fulfilment = Fulfilment(self.pool)
        self._refresher = Refresher(self.cache, refresh_interval)
        self._refresher.start()

    def close(self) -> None:
        """End the threads, then close everything they used."""
        self._refresher.close()
        self.fulfilment.close()
        self.pool.close()
        if self._folder is not None:
            self._folder.cleanup()
