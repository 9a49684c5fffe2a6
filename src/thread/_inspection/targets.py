"""Names of thread targets: `module:qualname` of the innermost function, of low cardinality.

Functions come in wrappers: decorators, tracing libraries, debuggers, compilers. Each kind is known to keep the wrapped
function in a certain attribute. No attribute is read in a way that could run code of the program.
"""

from __future__ import annotations

from types import BuiltinFunctionType, CellType, FunctionType, MethodType

from .._base.interruptions import is_internal_error
from .objects import (
    MISSING,
    as_text,
    attribute,
    class_name,
    classes_of,
    in_class,
    in_classes,
    is_a,
    loaded,
    namespace_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Final

NAME: Final = "_thread_telemetry_name"
"""The attribute of a `threading.Thread` with the name that `telemetry.named` gave it."""

TARGET: Final = "_thread_telemetry_target"
"""The attribute of a started `threading.Thread` with the name of its target, since the thread forgets its target."""

UNKNOWN: Final = "unknown"

_MOST_WRAPPERS: Final = 16
_LONGEST: Final = 500
_WRAPPED: Final = ("__wrapped__", "func", "original_func")
"""Attributes with the wrapped function: those of `functools` and wrapt, partial functions, the debugger pydevd."""


def describe_target(function: object) -> str:
    """Name of a thread's target. Raises nothing, except exceptions of signal handlers."""
    try:
        name = _describe(function)
    except Exception as error:
        if not is_internal_error(error):
            raise
        return UNKNOWN
    return name if len(name) <= _LONGEST else f"{name[:_LONGEST]}…"


def _describe(function: object) -> str:
    thread = thread_of(function)
    if thread is not None:
        known = as_text(namespace_of(thread).get(NAME)) or as_text(namespace_of(thread).get(TARGET))
        if known:
            return known
        function = _run_of(thread)
    for _ in range(_MOST_WRAPPERS):
        inner = _unwrapped(function)
        if inner is None:
            break
        function = inner
    module, qualname = _names_of(function)
    return f"{module or 'builtins'}:{qualname}"


def _run_of(thread: Any) -> object:
    """The target of a thread, or the `run` of its class if it has none."""
    base = _thread_class_of(thread)
    run = in_classes(type(thread), "run")
    target = namespace_of(thread).get("_target")
    is_plain = base is None or run is in_classes(base, "run")
    return target if is_plain and target is not None else run


def _unwrapped(function: Any) -> object:
    """The function inside a wrapper; None if there is none."""
    if type(function) is MethodType:
        return function.__func__
    if type(function) in (staticmethod, classmethod):
        return function.__func__
    if type(function) is FunctionType:
        return namespace_of(function).get("__wrapped__")
    if issubclass(type(function), type):
        return None
    for name in _wrapped_of(function):
        found = attribute(function, name, MISSING)
        # The class may have a property of that name, or a method.
        if found is not MISSING and found is not None and found is not in_classes(type(function), name):
            return found
    return None


def _wrapped_of(function: object) -> tuple[str, ...]:
    partial = loaded("functools", "partial")
    if partial is not None and is_a(function, partial):
        return ("func",)
    return ("original_func",) if class_name(type(function))[0].startswith("_pydev") else ("__wrapped__",)


def _names_of(function: Any) -> tuple[str, str]:
    if issubclass(type(function), type):
        return class_name(function)
    if type(function) is BuiltinFunctionType:
        return _names_of_builtin(function)
    module, qualname = as_text(attribute(function, "__module__")), as_text(attribute(function, "__qualname__"))
    owner = attribute(function, "__objclass__")
    if qualname and issubclass(type(owner), type):
        return class_name(owner)[0], qualname
    # An attribute shared by all instances of a class names none of them: the class is the target.
    if qualname and qualname is not in_classes(type(function), "__qualname__"):
        return module, qualname
    return class_name(type(function))


def _names_of_builtin(function: Any) -> tuple[str, str]:
    owner = function.__self__
    name = str(function.__name__)
    if as_text(function.__module__):
        return as_text(function.__module__), name
    cls = owner if issubclass(type(owner), type) else type(owner)
    module, qualname = class_name(cls)
    return module, f"{qualname}.{name}"


# ---- the object of `threading` ----


def thread_of(function: object) -> Any:
    """The `threading.Thread` with this `_bootstrap`, even inside a debugger's wrapper."""
    for each in _behind(function):
        if type(each) is MethodType and _thread_class_of(each.__self__, each.__func__) is not None:
            return each.__self__
    return None


def may_start_untracked_thread(function: object) -> bool:
    """False for functions that certainly start no `threading.Thread`: most functions, types, functions of C."""
    if type(function) is FunctionType:
        return any(type(content) is MethodType for content in _enclosed(function))
    return type(function) is not BuiltinFunctionType and not issubclass(type(function), type)


def _behind(function: Any) -> Iterator[object]:
    for _ in range(4):
        yield function
        if type(function) is FunctionType:
            yield from _enclosed(function)
            return
        if type(function) is MethodType or issubclass(type(function), type):
            return
        function = next((inner for name in _WRAPPED if (inner := namespace_of(function).get(name)) is not None), None)
        if function is None:
            return


def _enclosed(function: FunctionType) -> Iterator[object]:
    for cell in function.__closure__ or ():
        try:
            yield cell.cell_contents if type(cell) is CellType else None
        except ValueError:
            pass  # It is empty.


def _thread_class_of(thread: object, bootstrap: object = None) -> type | None:
    """The original class `Thread` of `threading` among an object's classes, whatever has that name by now."""
    for cls in classes_of(thread):
        if in_class(cls, "_bootstrap") is not MISSING and class_name(cls)[0] == "threading":
            is_own = bootstrap is None or bootstrap is in_classes(type(thread), "_bootstrap")
            return cls if is_own else None
    return None
