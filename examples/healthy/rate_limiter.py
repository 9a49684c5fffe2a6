"""Twenty clients of a service, which a rate limiter slows down: it sleeps while it holds its lock."""

from __future__ import annotations

import threading
import time


class Limiter:
    def __init__(self, per_second: float) -> None:
        self._guard = threading.Lock()
        self._pause = 1 / per_second

    def wait(self) -> None:
        with self._guard:
            time.sleep(self._pause)


limiter = Limiter(42)


def call() -> None:
    while True:
        limiter.wait()
        time.sleep(0.4)


for _ in range(20):
    threading.Thread(target=call, daemon=True).start()
threading.Event().wait()
