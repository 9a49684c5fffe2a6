"""Four consumers that die of the first bad item each, so that nobody serves the queue."""

from __future__ import annotations

import threading
import time
from queue import Queue

orders: Queue[dict[str, str]] = Queue()


def consume() -> None:
    while True:
        print(orders.get()["country"])


for _ in range(4):
    threading.Thread(target=consume, daemon=True).start()
time.sleep(5)
while True:
    orders.put({})
    time.sleep(1)
