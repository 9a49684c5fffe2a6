"""Baskets, and the orders they become."""

from __future__ import annotations

from dataclasses import dataclass

from shop.catalogue import Product
from shop.pool import ConnectionPool

DELIVERY_COUNTRIES = frozenset({"AT", "BE", "CH", "DE", "DK", "FR", "NL"})
"""Countries on the order form."""


class NothingToOrder(Exception):
    """The basket is empty."""


@dataclass(frozen=True, slots=True)
class Order:
    number: int
    customer: str
    country: str
    total_cents: int


def add_to_basket(pool: ConnectionPool, customer: str, product: Product, quantity: int) -> None:
    """Add pieces of a product to a customer's basket."""
    with pool.connection() as connection:
        connection.query(
            "INSERT INTO basket_items VALUES (?, ?, ?)"
            " ON CONFLICT (customer, sku) DO UPDATE SET quantity = quantity + excluded.quantity",
            customer,
            product.sku,
            quantity,
        )


def read_basket(pool: ConnectionPool, customer: str) -> dict[str, int]:
    """Return the quantity of each product in a customer's basket."""
    with pool.connection() as connection:
        return dict(connection.query("SELECT sku, quantity FROM basket_items WHERE customer = ?", customer))


def place_order(pool: ConnectionPool, customer: str, country: str) -> Order:
    """Turn a customer's basket into an order. Raises `NothingToOrder` if it is empty."""
    with pool.connection() as connection, connection.transaction():
        [(total,)] = connection.query(
            "SELECT SUM(quantity * cents) FROM basket_items JOIN prices USING (sku) WHERE customer = ?", customer
        )
        if total is None:
            raise NothingToOrder(customer)
        [(number,)] = connection.query(
            "INSERT INTO orders (customer, country, total_cents) VALUES (?, ?, ?) RETURNING number",
            customer,
            country,
            total,
        )
        connection.query("DELETE FROM basket_items WHERE customer = ?", customer)
    return Order(number, customer, country, total)
