"""A thread that keeps the catalogue fresh."""

from __future__ import annotations

import threading

from shop.cache import Cache


class Refresher:
    """A thread that refreshes the cache every `interval` seconds until `close`."""

    def __init__(self, cache: Cache, interval: float) -> None:
        self._cache = cache
        self._interval = interval
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._refresh_forever, name="catalogue-refresher", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """End the thread, after any refresh in progress."""
        self._closing.set()
        self._thread.join()

    def _refresh_forever(self) -> None:
        while not self._closing.wait(self._interval):
            self._cache.refresh()
