"""A standby that waits for the lock of a leader for as long as the leader lives."""

from __future__ import annotations

import threading

leadership = threading.Lock()


def lead() -> None:
    with leadership:
        threading.Event().wait()


for _ in range(2):
    threading.Thread(target=lead, daemon=True).start()
threading.Event().wait()
