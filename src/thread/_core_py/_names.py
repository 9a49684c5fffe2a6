"""The names that a program gives."""

from __future__ import annotations


def checked_name(name: object, whose: str) -> str | None:
    """The name as an exact str, None if it is empty. Raises TypeError unless it is a str or None."""
    if name is not None and not isinstance(name, str):
        raise TypeError(f"a {whose}'s name must be a str or None, not {type(name).__name__}")
    # An instance of a subclass could run code of its own whenever it is looked up.
    return None if name is None else str.__str__(name) or None
