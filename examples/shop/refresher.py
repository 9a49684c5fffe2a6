"""The thread that keeps the catalogue fresh."""

from __future__ import annotations

import threading

from shop.cache import Cache


class Refresher:
    """Refreshes the cache every `interval` seconds until it is closed."""

    def __init__(self, cache: Cache, interval: float) -> None:
        self._cache = cache
        self._interval = interval
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._refresh_forever, name="catalogue-refresher", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """End the thread, after the refresh that it may be busy with."""
        self._closing.set()
        self._thread.join()

    def _refresh_forever(self) -> None:
        while not self._closing.wait(self._interval):
            self._cache.refresh()
