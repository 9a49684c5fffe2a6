"""A raw lock as a signal: a thread sleeps in acquire() until another one releases it, four minutes later."""

from __future__ import annotations

import os
import threading
import time

SPEED = float(os.environ.get("EXAMPLE_SPEED", "1"))
"""Time factor, for tests."""

told = threading.Lock()
told.acquire()


def serve() -> None:
    while True:
        told.acquire()


threading.Thread(target=serve, daemon=True).start()
while True:
    time.sleep(240 / SPEED)
    told.release()
