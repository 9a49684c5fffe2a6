"""A small threaded web service that knows nothing about telemetry: `service_app.py` prints its port.

Each request looks up its session, reads a cache, borrows a connection, logs and counts. It acquires shared locks seven
times, sometimes inside `queue` and `logging`.
"""

from __future__ import annotations

import json
import logging
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from waitress.server import create_server  # type: ignore[import-untyped]

THREADS = 8
BODY_SIZE = 2048


class Counters:
    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._counts: dict[str, int] = {}

    def add(self, name: str) -> None:
        with self._guard:
            self._counts[name] = self._counts.get(name, 0) + 1


class Cache:
    def __init__(self) -> None:
        self._guard = threading.RLock()
        self._articles: dict[int, dict[str, Any]] = {}

    def article(self, number: int) -> dict[str, Any]:
        with self._guard:
            if number not in self._articles:
                self._articles[number] = {"number": number, "title": f"Article {number}", "tags": ["a", "b", "c"]}
            return self._articles[number]


class Service:
    def __init__(self) -> None:
        self._counters = Counters()
        self._cache = Cache()
        self._connections: queue.Queue[object] = queue.Queue()
        for _ in range(THREADS):
            self._connections.put(object())
        self._log = logging.getLogger("service")
        self._log.addHandler(logging.NullHandler())
        self._log.setLevel(logging.INFO)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        body = json.dumps(usage()).encode() if path == "/usage" else self._articles(path)
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    def _articles(self, path: str) -> bytes:
        self._counters.add(path)
        connection = self._connections.get()
        try:
            articles = [self._cache.article(number) for number in range(3)]
        finally:
            self._connections.put(connection)
        body = json.dumps({"path": path, "articles": articles}, indent=2).encode()
        self._log.info("%s: %d bytes", path, len(body))
        return body.ljust(BODY_SIZE)


def usage() -> dict[str, int]:
    """Return the CPU time of this process in nanoseconds, and the observed acquisitions if it is observed."""
    telemetry = sys.modules.get("thread.telemetry")
    acquisitions = sum(lock.acquisitions for lock in telemetry.snapshot().locks) if telemetry else 0
    return {"cpu_time": time.process_time_ns(), "acquisitions": acquisitions}


if __name__ == "__main__":
    server = create_server(Service(), host="127.0.0.1", port=0, threads=THREADS)
    print(server.effective_port, flush=True)  # pyright: ignore[reportAttributeAccessIssue]
    server.run()
