"""Templates of the paths that the shop answers. They tell kinds of requests apart, never customers."""

from __future__ import annotations

ROUTES = ("/health", "/products", "/products/{sku}", "/baskets/{customer}", "/checkout", "/prices")


def route_of(path: str) -> str | None:
    """The template of a path, None for an unknown path."""
    return next((route for route in ROUTES if _fits(_parts(path), _parts(route))), None)


def _parts(path: str) -> list[str]:
    return path.strip("/").split("/")


def _fits(parts: list[str], template: list[str]) -> bool:
    return len(parts) == len(template) and all(
        part == wanted or (part and wanted.startswith("{")) for part, wanted in zip(parts, template)
    )
