"""Callables that pass for functions written in C."""

from __future__ import annotations


class BuiltinFunction:
    """Not a Python function, since one that a class keeps as an attribute would bind to its instances."""

    def __init__(self, name: str) -> None:
        self.__name__ = self.__qualname__ = name
        self.__module__ = "_thread"

    def __repr__(self) -> str:
        return f"<built-in function {self.__name__}>"
