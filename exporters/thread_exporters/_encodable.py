"""Escapes text that is not valid UTF-8; names come from the program and may hold anything."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def encodable(text: str) -> str:
    """The text, in which what UTF-8 cannot express is escaped."""
    # A path that is no UTF-8 holds lone surrogates, and a page or request with one of them cannot be sent at all.
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def encodable_attributes(attributes: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Attributes by their names, each text among the values encodable."""
    return {name: encodable(value) if isinstance(value, str) else value for name, value in attributes}
