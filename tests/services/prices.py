"""A price list for every service here, behind one lock, which a reader waits for during a reload."""

from __future__ import annotations

import threading
import time


class Prices:
    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._prices = {"coffee": 3}

    def get(self, product: str) -> int:
        with self._guard:
            return self._prices[product]

    def refresh(self) -> None:
        with self._guard:
            self._prices = load_prices()


def load_prices() -> dict[str, int]:
    """Load the prices slowly. This is the culprit, called with the lock held."""
    time.sleep(0.03)
    return {"coffee": 4}


prices = Prices()
