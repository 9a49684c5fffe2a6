"""Connections in a queue, which callers do not put back: sixteen workers are stuck."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from queue import Queue

connections: Queue[int] = Queue()
for number in range(4):
    connections.put(number)


def answer() -> None:
    connections.get()


workers = ThreadPoolExecutor(16, thread_name_prefix="requests")
while True:
    workers.submit(answer)
    time.sleep(0.5)
