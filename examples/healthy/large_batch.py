"""A batch of ten thousand tasks, submitted at once."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

workers = ThreadPoolExecutor(8, thread_name_prefix="batch")
for _ in range(10_000):
    workers.submit(time.sleep, 0.3)
threading.Event().wait()
