"""Strange objects in `sys.modules`: those of cffi, lazy ones, and ones that lie about their class or raise.

They do not affect `instrument()`, snapshots or coverage, and none of their code runs. If `cryptography` is installed,
its own cffi module is among them.
"""

import contextlib
import sys
import types
from typing import Any

from thread import telemetry

asked: list[str] = []


class Lib:
    """An object that claims to be a module, as cffi's libraries do."""

    __class__ = types.ModuleType  # type: ignore[assignment]

    def __getattr__(self, name: str) -> Any:
        asked.append(name)
        raise AttributeError(name)


class Liar:
    """An object that raises at any attribute access."""

    def __getattribute__(self, name: str) -> Any:
        asked.append(name)
        raise RuntimeError(name)

    def __eq__(self, other: object) -> bool:
        asked.append("==")
        raise RuntimeError("not to be compared")

    def __bool__(self) -> bool:
        asked.append("bool")
        raise RuntimeError("neither true nor false")


class Proxy:
    """An object that has a class only during a request, like the proxies of web frameworks."""

    @property  # type: ignore[misc]
    def __class__(self) -> type:  # type: ignore[override]
        asked.append("__class__")
        raise RuntimeError("outside of a request")


class Meta(type):
    def __eq__(cls, other: object) -> bool:
        asked.append("class ==")
        raise RuntimeError("not to be compared")

    __hash__ = type.__hash__


class Compared(metaclass=Meta):
    pass


class Lazy(types.ModuleType):
    def __getattr__(self, name: str) -> Any:
        asked.append(name)
        raise ImportError(name)


def early(name: str) -> types.ModuleType:
    module = types.ModuleType(name)
    exec("from threading import Lock", vars(module))
    module.__file__ = f"/app/{name}.py"
    return module


strange: dict[Any, Any] = {
    "strange.lib": Lib(),
    "strange.liar": Liar(),
    "strange.none": None,
    "strange.number": 7,
    "strange.lazy": Lazy("strange.lazy"),
    "strange.proxy": Proxy(),
    "strange.compared": Compared(),
    3: types.ModuleType("three"),
    "early": early("early"),
}

class OldFinder:
    """A finder without specs, as before Python 3.4. Python 3.11 still calls such finders."""

    def find_module(self, name: str, path: object = None) -> None:
        return None


sys.meta_path.insert(0, OldFinder())  # type: ignore[arg-type]
sys.modules["dill._dill"] = sys.modules["concurrent.futures.thread"] = None  # type: ignore[assignment]
kept = [Proxy(), Compared(), Liar(), *strange.values()]
holder = types.ModuleType("holder")
vars(holder).update(proxy=Proxy(), compared=Compared(), liar=Liar(), __file__=Liar())
strange["holder"] = holder


def look() -> telemetry.Coverage:
    found = telemetry.snapshot().coverage
    assert found.faults == 0, found
    assert found.unobserved_modules == ("early",), found
    return found


for when in "before", "after":
    sys.modules.update(strange)
    with contextlib.suppress(ImportError):
        import cryptography.fernet  # noqa: F401
    telemetry.instrument()
    assert look().instrumented, when
    for name in strange:
        del sys.modules[name]
    telemetry.uninstrument()
    telemetry.instrument()
    sys.modules.update(strange)
    assert look().instrumented, when
    telemetry.uninstrument()
# Nothing has compared `Liar` or accessed the others.
print("asked:", asked)
sys.exit(bool(asked))
