"""The database: SQLite that answers as late as a database server does.

SQLite runs in this process and answers in microseconds. A shop's database is a machine further down the rack, so each
statement here takes `ROUND_TRIP` seconds longer, and gives up the interpreter meanwhile as a socket would.
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
"""Seconds from a statement to its answer over the network."""

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
        # A connection wanders between threads, one after the other: the pool sees to it.
        self._sqlite = sqlite3.connect(database, timeout=10.0, isolation_level=None, check_same_thread=False)
        # What the example stores need not survive a power cut, and so no request waits for this machine's disk.
        self._sqlite.execute("PRAGMA synchronous = OFF")
        self._sqlite.execute("PRAGMA journal_mode = MEMORY")

    def query(self, statement: str, *parameters: object) -> list[Row]:
        """Run one SQL statement and return its rows."""
        with span(_summary(statement), **{"db.system.name": "sqlite", "db.query.text": statement}):
            time.sleep(ROUND_TRIP)
            return self._sqlite.execute(statement, parameters).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All statements of the block, or none of them if it raises."""
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
