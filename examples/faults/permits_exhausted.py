"""Permits that are never given back: twelve threads wait for a connection for ever."""

from __future__ import annotations

import threading
import time


class Pool:
    def __init__(self, size: int) -> None:
        self.free = threading.BoundedSemaphore(size)

    def use(self) -> None:
        self.free.acquire()
        # The error path of a caller has forgotten the release.


pool = Pool(4)
for _ in range(16):
    threading.Thread(target=pool.use, daemon=True).start()
while True:
    time.sleep(1)
