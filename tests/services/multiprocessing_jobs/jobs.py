"""Jobs in short-lived processes, each with threads of its own."""

import multiprocessing
import sys
import threading

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
    processes = multiprocessing.get_context(sys.argv[1])
    while True:
        children = [processes.Process(target=change_prices) for _ in range(2)]
        for child in children:
            child.start()
        for child in children:
            child.join()
