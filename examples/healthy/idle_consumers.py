"""Consumers of empty queues, long polls, and threads that wait for signals."""

from __future__ import annotations

import threading
from queue import Queue

jobs: Queue[object] = Queue()
news = threading.Condition()
signal = threading.Semaphore(0)


def poll() -> None:
    while True:
        with news:
            news.wait(30)


def serve_signals() -> None:
    signal.acquire()


for target, number in ((jobs.get, 20), (poll, 30), (serve_signals, 5)):
    for _ in range(number):
        threading.Thread(target=target, daemon=True).start()
threading.Event().wait()
