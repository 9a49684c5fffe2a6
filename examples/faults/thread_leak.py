"""A thread a second that waits for a reply which nobody sends."""

from __future__ import annotations

import os
import threading

SPEED = float(os.environ.get("EXAMPLE_SPEED", "1"))
"""Time factor, for tests."""

reply = threading.Event()
pause = threading.Event()


def wait_for_reply() -> None:
    reply.wait()


for _ in range(2000):
    threading.Thread(target=wait_for_reply, daemon=True).start()
    pause.wait(1 / SPEED)
pause.wait()
