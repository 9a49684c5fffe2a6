"""Inspection of the program's objects without running its code.

An object may claim to be anything: `__class__` can lie, `__getattr__` can import, connect or raise, a property can wait
for a lock. So `type` gives the type, and attributes are read from where the interpreter keeps them.
"""

from __future__ import annotations

import sys
from types import GetSetDescriptorType, MemberDescriptorType, ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Final

MISSING: Final = object()
"""Stands for a missing attribute."""

_mro_of: Final[Any] = vars(type)["__mro__"].__get__
_namespace_of_class: Final[Any] = vars(type)["__dict__"].__get__
_qualname_of_class: Final[Any] = vars(type)["__qualname__"].__get__
_namespace_of_module: Final[Any] = vars(ModuleType)["__dict__"].__get__
_OF_THE_INTERPRETER: Final = (GetSetDescriptorType, MemberDescriptorType)

set_attribute: Final = object.__setattr__
"""Set an attribute of an instance past any `__setattr__` of the program."""


def is_a(obj: object, cls: type) -> bool:
    """True if the type of `obj` is `cls` or derives from it, whatever its `__class__` says."""
    return type(cls) is type and issubclass(type(obj), cls)


def classes_of(obj: object) -> tuple[type, ...]:
    """The type of an object and its bases, in the order of attribute lookup."""
    return _mro_of(type(obj))  # type: ignore[no-any-return]


def in_class(cls: type, name: str) -> Any:
    """The class's own attribute, MISSING without one."""
    return _namespace_of_class(cls).get(name, MISSING)


def in_classes(cls: type, name: str) -> Any:
    """The attribute of a class or of the first of its bases that has one, else MISSING."""
    for each in _mro_of(cls):
        found = in_class(each, name)
        if found is not MISSING:
            return found
    return MISSING


def namespace_of(obj: object) -> dict[str, Any]:
    """The dictionary of an instance's own attributes, empty without one."""
    kept_in = in_classes(type(obj), "__dict__")
    if type(kept_in) not in _OF_THE_INTERPRETER:
        return {}
    try:
        namespace = kept_in.__get__(obj)
    except (AttributeError, TypeError):
        return {}
    return namespace if type(namespace) is dict else {}


def attribute(obj: object, name: str, default: Any = None) -> Any:
    """The likely value of `obj.name`, read without running code: properties and `__getattr__` are not asked."""
    found = namespace_of(obj).get(name, MISSING)
    if found is not MISSING:
        return found
    found = in_classes(type(obj), name)
    if type(found) in _OF_THE_INTERPRETER:
        try:
            return found.__get__(obj)
        except (AttributeError, TypeError):
            return default
    return default if found is MISSING else found


def namespace_of_class(cls: type) -> Mapping[str, Any]:
    """The class's own attributes, whatever its metaclass says."""
    return _namespace_of_class(cls)  # type: ignore[no-any-return]


def module_namespace(module: object) -> dict[str, Any]:
    """Globals of a module, empty for any other object. Does not load a lazy module."""
    return _namespace_of_module(module) if is_a(module, ModuleType) else {}


def loaded(module: str, name: str) -> Any:
    """Attribute of a module if both exist, else None. Imports nothing."""
    return module_namespace(sys.modules.get(module)).get(name)


def class_name(cls: type) -> tuple[str, str]:
    """Module and qualified name of a class, whatever its metaclass says."""
    module = _namespace_of_class(cls).get("__module__")
    return (as_text(module) or "builtins"), str.__str__(_qualname_of_class(cls))


def as_text(value: Any) -> str:
    """The value as a plain str if it is a str, else an empty one."""
    return str.__str__(value) if is_a(value, str) else ""
