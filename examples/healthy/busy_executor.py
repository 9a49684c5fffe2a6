"""An executor of forty workers, nine tenths of them busy."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

workers = ThreadPoolExecutor(40, thread_name_prefix="calls")
while True:
    workers.submit(time.sleep, 1.8)
    time.sleep(0.05)
