"""Sixteen threads that queue up for one lock in a third of the time."""

from __future__ import annotations

import threading
import time

guard = threading.Lock()


def work() -> None:
    while True:
        if time.time() % 3 < 1:
            with guard:
                time.sleep(0.01)
        else:
            time.sleep(0.05)


for _ in range(16):
    threading.Thread(target=work, daemon=True).start()
threading.Event().wait()
