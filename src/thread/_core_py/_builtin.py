"""Callables that look like functions written in C."""

from __future__ import annotations


class BuiltinFunction:
    """A callable that, unlike a Python function, does not bind to the instances of a class that keeps it."""

    __slots__ = ("__name__",)

    def __init_subclass__(cls) -> None:
        # The interpreter's own name of such a type, in error messages and where an instance asks for its module.
        cls.__name__ = "builtin_function_or_method"
        cls.__module__ = "_thread"

    def __init__(self, name: str) -> None:
        self.__name__ = name

    def __getattr__(self, attribute: str) -> str:
        # A class body cannot give its instances this one.
        if attribute == "__qualname__":
            return self.__name__
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {attribute!r}")

    def __reduce__(self) -> str:
        return self.__name__

    def __repr__(self) -> str:
        return f"<built-in function {self.__name__}>"
