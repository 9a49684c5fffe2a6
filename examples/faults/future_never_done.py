"""Ten threads that wait for a future which nobody completes."""

from __future__ import annotations

import threading
from concurrent.futures import Future

price: Future[float] = Future()


def show_price() -> None:
    print(price.result())


for _ in range(10):
    threading.Thread(target=show_price, daemon=True).start()
threading.Event().wait()
