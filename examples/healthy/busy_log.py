"""Sixteen threads that log through one handler."""

from __future__ import annotations

import logging
import os
import threading
import time

logging.basicConfig(filename=os.devnull, level=logging.INFO)


def work(number: int) -> None:
    while True:
        logging.info("request %s", number)
        time.sleep(0.05)


for number in range(16):
    threading.Thread(target=work, args=(number,), daemon=True).start()
threading.Event().wait()
