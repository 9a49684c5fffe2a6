"""Web application that publishes who holds its lock: in shared memory, between taking and giving it back."""

from __future__ import annotations

import mmap
import os
import random
import struct
import threading
import time
from collections.abc import Iterable
from typing import Any

BOARD = mmap.mmap(os.open(os.environ["BOARD"], os.O_RDWR), 4096)
RECORD = struct.Struct("<QQ")
"""A number that is odd while the lock is held, and the native id of who holds it, 0 if that leaves no trace."""

guard = threading.Lock()
serial = 0


def publish(owner: int) -> None:
    global serial
    serial += 1
    RECORD.pack_into(BOARD, 0, serial, owner)


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    if random.random() < 0.3:
        guard.acquire()
        try:
            publish(0)
            time.sleep(random.random() / 4)
            publish(0)
        finally:
            guard.release()
    else:
        with guard:
            publish(threading.get_native_id())
            time.sleep(random.random() / 4)
            publish(0)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"done"]
