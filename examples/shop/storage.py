"""The database: SQLite with the latency of a database server.

SQLite runs in this process and answers in microseconds. A real shop's database is on another machine, so each statement
here takes `ROUND_TRIP` seconds longer, and releases the GIL meanwhile as a socket would.
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

from shop.products import ASSORTMENT
from shop.tracing import span

ROUND_TRIP = 0.005
"""Network latency of a statement in seconds."""

Row: TypeAlias = tuple[Any, ...]

_SCHEMA = """
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS products (sku TEXT PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS prices (sku TEXT PRIMARY KEY REFERENCES products, cents INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS basket_items (
    customer TEXT NOT NULL,
    sku TEXT NOT NULL REFERENCES products,
    quantity INTEGER NOT NULL,
    PRIMARY KEY (customer, sku)
);
CREATE TABLE IF NOT EXISTS orders (
    number INTEGER PRIMARY KEY,
    customer TEXT NOT NULL,
    country TEXT NOT NULL,
    total_cents INTEGER NOT NULL,
    postage_cents INTEGER
);
COMMIT;
"""


class Connection:
    """One connection to the database, for one thread at a time."""

    def __init__(self, database: str) -> None:
        # The pool passes a connection from thread to thread, to one at a time.
        self._sqlite = sqlite3.connect(database, timeout=10.0, isolation_level=None, check_same_thread=False)
        # The example's data need not survive a power cut, so no request has to wait for the disk.
        self._sqlite.execute("PRAGMA synchronous = OFF")
        self._sqlite.execute("PRAGMA journal_mode = MEMORY")

    def query(self, statement: str, *parameters: object) -> list[Row]:
        """Run one SQL statement and return its rows."""
        with span(_summary(statement), **{"db.system.name": "sqlite", "db.query.text": statement}):
            time.sleep(ROUND_TRIP)
            return self._sqlite.execute(statement, parameters).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run all statements of the block, or none of them if it raises."""
        self.query("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._sqlite.execute("ROLLBACK")
            raise
        self.query("COMMIT")

    def close(self) -> None:
        self._sqlite.close()


def _summary(statement: str) -> str:
    table = re.search(r"\b(?:FROM|INTO|UPDATE) (\w+)", statement)
    return " ".join([statement.split()[0], *(table.groups() if table else ())])


def create_tables(database: str) -> None:
    """Create missing tables. Several processes of the shop may do so at once."""
    sqlite = sqlite3.connect(database, timeout=10.0)
    try:
        sqlite.executescript(_SCHEMA)
        with sqlite:
            sqlite.executemany(
                "INSERT OR IGNORE INTO products VALUES (?, ?)", [(sku, name) for sku, name, _ in ASSORTMENT]
            )
            sqlite.executemany(
                "INSERT OR IGNORE INTO prices VALUES (?, ?)", [(sku, cents) for sku, _, cents in ASSORTMENT]
            )
    finally:
        sqlite.close()
