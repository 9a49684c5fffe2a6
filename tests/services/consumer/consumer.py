"""A consumer of messages, as for Kafka or RabbitMQ, with a queue that is too short."""

import queue
import threading
import time

from prices import prices

messages: "queue.Queue[str]" = queue.Queue(maxsize=4)


def poll_broker() -> None:
    while True:
        for _ in range(20):
            messages.put("coffee")
        time.sleep(0.01)


def consume() -> None:
    while True:
        if prices.get(messages.get()):
            prices.refresh()


threading.Thread(target=poll_broker, daemon=True).start()
consumers = [threading.Thread(target=consume) for _ in range(3)]
for thread in consumers:
    thread.start()
for thread in consumers:
    thread.join()
