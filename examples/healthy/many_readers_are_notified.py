"""Forty readers that are told of news fifty times a second."""

from __future__ import annotations

import threading
import time

news = threading.Condition()


def read() -> None:
    while True:
        with news:
            news.wait()


for _ in range(40):
    threading.Thread(target=read, daemon=True).start()
while True:
    with news:
        news.notify_all()
    time.sleep(0.02)
