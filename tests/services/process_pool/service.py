"""Worker processes that have threads."""

import threading
import time
from concurrent.futures import ProcessPoolExecutor

from prices import prices


def change_prices() -> None:
    threads = [threading.Thread(target=prices.refresh), *(threading.Thread(target=read) for _ in range(3))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def read() -> None:
    prices.get("coffee")


if __name__ == "__main__":
    with ProcessPoolExecutor(2) as pool:
        while True:
            for future in [pool.submit(change_prices) for _ in range(4)]:
                future.result()
            time.sleep(0.1)
