"""Templates of the paths that the shop answers. They distinguish kinds of requests but never customers."""

from __future__ import annotations

ROUTES = ("/health", "/products", "/products/{sku}", "/baskets/{customer}", "/checkout", "/prices")


def route_of(path: str) -> str | None:
    """Return the template of a path. None if the shop does not answer it."""
    return next((route for route in ROUTES if _fits(_parts(path), _parts(route))), None)


def _parts(path: str) -> list[str]:
    return path.strip("/").split("/")


def _fits(parts: list[str], template: list[str]) -> bool:
    return len(parts) == len(template) and all(
        part == wanted or (part and wanted.startswith("{")) for part, wanted in zip(parts, template)
    )
