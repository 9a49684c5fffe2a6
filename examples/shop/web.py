"""The shop as a WSGI application: JSON in, JSON out.

    GET  /health
    GET  /products                    the numbers of all products
    GET  /products/{sku}              one product page
    GET  /baskets/{customer}
    POST /baskets/{customer}          {"sku": "CHN-11", "quantity": 1}
    POST /checkout                    {"customer": "anna", "country": "DE"}
    POST /prices                      {"sku": "CHN-11", "cents": 2790}, from the back office: in effect at once
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, TypeAlias

from shop.catalogue import change_price
from shop.ordering import DELIVERY_COUNTRIES, NothingToOrder, add_to_basket, place_order, read_basket
from shop.service import Shop

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment

Answer: TypeAlias = tuple[HTTPStatus, object]

_LONGEST_BODY = 10_000


class Refused(Exception):
    """A request that cannot be served. The customer gets the reason."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Application:
    """A WSGI application that answers for one shop, from many threads at once."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        try:
            status, content = self._answer(environ)
        except Refused as refusal:
            status, content = refusal.status, {"error": str(refusal)}
        body = json.dumps(content).encode() + b"\n"
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        start_response(f"{status.value} {status.phrase}", headers)
        return [body]

    def _answer(self, environ: WSGIEnvironment) -> Answer:
        method = environ["REQUEST_METHOD"]
        match method, environ["PATH_INFO"].strip("/").split("/"):
            case "GET", ["health"]:
                return self._health()
            case "GET", ["products"]:
                return HTTPStatus.OK, self._shop.cache.skus()
            case "GET", ["products", sku]:
                return self._product_page(sku)
            case "GET", ["baskets", customer]:
                return HTTPStatus.OK, read_basket(self._shop.pool, customer)
            case "POST", ["baskets", customer]:
                return self._add_to_basket(customer, _read_body(environ))
            case "POST", ["checkout"]:
                return self._check_out(_read_body(environ))
            case "POST", ["prices"]:
                return self._change_price(_read_body(environ))
            case _:
                raise Refused(HTTPStatus.NOT_FOUND, f"nothing answers {method} {environ['PATH_INFO']}")

    def _health(self) -> Answer:
        return HTTPStatus.OK, {
            "catalogue_age_seconds": round(self._shop.cache.age(), 3),
            "idle_connections": self._shop.pool.idle(),
            "orders_waiting": self._shop.fulfilment.waiting(),
            "workers_started": self._shop.fulfilment.workers_started,
        }

    def _product_page(self, sku: str) -> Answer:
        product = self._shop.cache.get(sku)
        if product is None:
            raise Refused(HTTPStatus.NOT_FOUND, f"there is no product {sku!r}")
        return HTTPStatus.OK, {"sku": sku, "name": product.name, "price": f"{product.price_cents / 100:.2f}"}

    def _add_to_basket(self, customer: str, body: dict[str, Any]) -> Answer:
        product = self._shop.cache.get(str(body.get("sku")))
        quantity = body.get("quantity", 1)
        if product is None or type(quantity) is not int or not 1 <= quantity <= 100:
            raise Refused(HTTPStatus.BAD_REQUEST, "expected the sku of a product and a quantity from 1 to 100")
        add_to_basket(self._shop.pool, customer, product, quantity)
        return HTTPStatus.CREATED, {"sku": product.sku, "quantity": quantity}

    def _check_out(self, body: dict[str, Any]) -> Answer:
        country = body.get("country")
        if not isinstance(country, str) or country not in DELIVERY_COUNTRIES:
            raise Refused(HTTPStatus.BAD_REQUEST, f"expected a country from {', '.join(sorted(DELIVERY_COUNTRIES))}")
        try:
            order = place_order(self._shop.pool, str(body.get("customer")), country)
        except NothingToOrder:
            raise Refused(HTTPStatus.CONFLICT, "the basket is empty") from None
        self._shop.fulfilment.submit(order)
        return HTTPStatus.CREATED, {"order": order.number, "total": f"{order.total_cents / 100:.2f}"}

    def _change_price(self, body: dict[str, Any]) -> Answer:
        product = self._shop.cache.get(str(body.get("sku")))
        cents = body.get("cents")
        if product is None or type(cents) is not int or not 1 <= cents <= 10_000_000:
            raise Refused(HTTPStatus.BAD_REQUEST, "expected the sku of a product and cents from 1 to 10,000,000")
        change_price(self._shop.pool, product.sku, cents)
        self._shop.cache.refresh()
        return HTTPStatus.OK, {"sku": product.sku, "price": f"{cents / 100:.2f}"}


def _read_body(environ: WSGIEnvironment) -> dict[str, Any]:
    length = int(environ.get("CONTENT_LENGTH") or 0)
    if length > _LONGEST_BODY:
        raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"expected at most {_LONGEST_BODY} bytes")
    try:
        body = json.loads(environ["wsgi.input"].read(length))
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Refused(HTTPStatus.BAD_REQUEST, "expected a JSON object")
    return body
