"""Escapes text that is not valid UTF-8; names come from the program and may hold anything."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

MAX_LABEL: Final = 250
"""Maximum length of a label value. The end of a longer one becomes a hash, so that two values stay distinct."""


def encodable(text: str) -> str:
    """Escape the characters that UTF-8 cannot encode."""
    # A path that is not UTF-8 holds lone surrogates. A single one would make a whole page or request unsendable.
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def label_value(text: str) -> str:
    """Make a text fit to be a label value: encodable, and of bounded length."""
    text = encodable(text)
    if len(text) <= MAX_LABEL:
        return text
    # Imported here because the import is slow and hardly any name is that long.
    from hashlib import blake2b

    hashed = blake2b(text.encode(), digest_size=8).hexdigest()
    return f"{text[: MAX_LABEL - len(hashed) - 1]}…{hashed}"


def encodable_attributes(attributes: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Make the attributes of spans and log records, by name, with encodable texts."""
    return {name: encodable(value) if isinstance(value, str) else value for name, value in attributes}


def series_attributes(attributes: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Make the attributes of a series, by name, with the same values as its labels in Prometheus."""
    return {name: label_value(value) if isinstance(value, str) else value for name, value in attributes}
