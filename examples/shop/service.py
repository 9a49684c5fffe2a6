"""The whole shop: its parts, their order of start and of end."""

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

    Without a `database`, a path of a file, it has one of its own that goes when it closes. Processes given the same
    file are one shop.
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
        """End the threads, then close what they used."""
        self._refresher.close()
        self.fulfilment.close()
        self.pool.close()
        if self._folder is not None:
            self._folder.cleanup()
