"""A bounded pool of database connections."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from shop.storage import Connection


class ConnectionPool:
    """A pool that lends connections to threads. If all are in use, a thread waits until one is returned."""

    def __init__(self, database: str, size: int) -> None:
        self.size = size
        self._free = threading.Semaphore(size)
        self._idle_guard = threading.Lock()
        self._idle = [Connection(database) for _ in range(size)]

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """Borrow a connection for the length of the block."""
        with self._free:
            with self._idle_guard:
                connection = self._idle.pop()
            try:
                yield connection
            finally:
                with self._idle_guard:
                    self._idle.append(connection)

    def idle(self) -> int:
        """Return the number of idle connections."""
        with self._idle_guard:
            return len(self._idle)

    def close(self) -> None:
        """Close all connections, each as soon as it is returned."""
        for _ in range(self.size):
            self._free.acquire()
            with self._idle_guard:
                self._idle.pop().close()
