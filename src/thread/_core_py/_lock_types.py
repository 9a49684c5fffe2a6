"""Types of locks that pass `isinstance` with the interpreter's own, and the other way round."""

from __future__ import annotations

from typing import Any, Final

_own: Final[dict[type, type]] = {}
"""The interpreter's own type by that of the twin."""


def stands_for(own: type, cls: type) -> None:
    """Accept instances of the interpreter's own type as instances of a class."""
    _own[cls] = own


set_class: Final[Any] = vars(object)["__class__"].__set__


class LockMeta(type):
    """Accepts locks of the interpreter's own types as instances: programs may have made some before."""

    def __instancecheck__(cls, instance: object) -> bool:
        return super().__instancecheck__(instance) or isinstance(instance, _own.get(cls, ()))

    def __subclasscheck__(cls, subclass: type) -> bool:
        return super().__subclasscheck__(subclass) or issubclass(subclass, _own.get(cls, ()))


def type_name(cls: type) -> str:
    """Name of a type in the interpreter's error texts."""
    # The interpreter's C code gives the module of built-in types only.
    return f"{cls.__module__}.{cls.__name__}" if cls.__module__ == "_thread" else cls.__name__
