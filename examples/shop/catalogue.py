"""The products on sale, as stored in the database."""

from __future__ import annotations

from dataclasses import dataclass

from shop.pool import ConnectionPool


@dataclass(frozen=True, slots=True)
class Product:
    sku: str
    name: str
    price_cents: int


def load_catalogue(pool: ConnectionPool) -> dict[str, Product]:
    """Read all products, with one statement for the list and one per price. Each new product makes it slower."""
    with pool.connection() as connection:
        catalogue = {}
        for sku, name in connection.query("SELECT sku, name FROM products ORDER BY sku"):
            [(cents,)] = connection.query("SELECT cents FROM prices WHERE sku = ?", sku)
            catalogue[sku] = Product(sku, name, cents)
        return catalogue


def change_price(pool: ConnectionPool, sku: str, cents: int) -> None:
    """Change the price of a product."""
    with pool.connection() as connection:
        connection.query("UPDATE prices SET cents = ? WHERE sku = ?", cents, sku)
