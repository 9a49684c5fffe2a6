"""Four of five working threads wait for one lock. Sixty others have nothing to do."""

from __future__ import annotations

import threading
import time
from queue import Queue

guard = threading.Lock()
requests: Queue[object] = Queue()


def work() -> None:
    while True:
        with guard:
            time.sleep(0.01)


for _ in range(60):
    threading.Thread(target=requests.get, daemon=True).start()
for _ in range(5):
    threading.Thread(target=work, daemon=True).start()
threading.Event().wait()
