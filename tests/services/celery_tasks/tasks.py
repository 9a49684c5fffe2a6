import os
import threading

from celery import Celery
from prices import prices

app = Celery("tasks", broker=os.environ["BROKER"])


@app.task
def price() -> int:
    return prices.get("coffee")


@app.task
def refresh() -> None:
    prices.refresh()


@app.task
def change_prices() -> None:
    """Run a task with threads of its own."""
    threads = [threading.Thread(target=function) for function in (refresh, price, price, price)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
