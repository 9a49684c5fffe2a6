"""The plan of the customers' visits, determined by a seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

COUNTRIES = {"DE": 10, "AT": 3, "NL": 3, "FR": 3, "BE": 2, "CH": 2, "DK": 1}
"""Number of orders per country, out of 24."""

PRICE_CHANGES = 0.01
"""Fraction of visits by the back office."""


@dataclass(frozen=True, slots=True)
class Request:
    kind: str
    method: str
    path: str
    body: dict[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Visit:
    due: float
    """Time of the visit in seconds after the start of the load."""
    requests: tuple[Request, ...]


def plan(skus: list[str], *, seed: int, rate: float, seconds: float, count: int) -> Iterator[Visit]:
    """Yield visits for `seconds`, at most `count`, on average `rate` per second."""
    dice = random.Random(seed)
    due = 0.0
    for number in range(count):
        due += dice.expovariate(rate)
        if due > seconds:
            return
        # The name includes the seed, so that a second run does not find the baskets of the first.
        yield Visit(due, tuple(_requests(dice, skus, f"customer-{seed}-{number}")))


def _requests(dice: random.Random, skus: list[str], customer: str) -> Iterator[Request]:
    if dice.random() < PRICE_CHANGES:
        yield Request("change price", "POST", "/prices", {"sku": dice.choice(skus), "cents": dice.randint(1000, 9000)})
        return
    looked_at = dice.choices(skus, k=dice.randint(1, 3))
    for sku in looked_at:
        yield Request("product page", "GET", f"/products/{sku}")
    if dice.random() < 0.25:
        yield Request("add to basket", "POST", f"/baskets/{customer}", {"sku": looked_at[-1], "quantity": 1})
        yield Request("basket", "GET", f"/baskets/{customer}")
        if dice.random() < 0.7:
            [country] = dice.choices(list(COUNTRIES), weights=list(COUNTRIES.values()))
            yield Request("checkout", "POST", "/checkout", {"customer": customer, "country": country})
