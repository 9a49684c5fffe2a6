"""A bounded pool of database connections."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from shop.storage import Connection


class ConnectionPool:
    """Lends connections to threads; who comes when all are lent waits for the next one to be given back."""

    def __init__(self, database: str, size: int) -> None:
        self.size = size
        self._free = threading.Semaphore(size)
        self._idle_guard = threading.Lock()
        self._idle = [Connection(database) for _ in range(size)]

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection of one's own for the length of the block."""
        with self._free:
            with self._idle_guard:
                connection = self._idle.pop()
            try:
                yield connection
            finally:
                with self._idle_guard:
                    self._idle.append(connection)

    def idle(self) -> int:
        """How many connections nobody uses now."""
        with self._idle_guard:
            return len(self._idle)

    def close(self) -> None:
        """Close all connections, each as soon as it is given back."""
        for _ in range(self.size):
            self._free.acquire()
            with self._idle_guard:
                self._idle.pop().close()
