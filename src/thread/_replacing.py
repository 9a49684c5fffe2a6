"""Puts observed things where a module or a class keeps the interpreter's, and what was there back again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any, Final, NamedTuple

from ._backend import core

MISSING: Final = object()
"""In place of what was never there."""


class Replacement(NamedTuple):
    """One name of a module or a class, and what it is to mean."""

    owner: Any
    name: str
    observed: object


Part = Callable[[ModuleType], Iterable[Replacement]]
"""What is to be replaced once a module is there. Called once for each module; replaces nothing by itself."""


class Replacements:
    """Those of one module: put in place, taken out again, as often as wanted."""

    def __init__(self, replacements: Iterable[Replacement]) -> None:
        self._replacements = tuple(replacements)
        self._originals: dict[int, object] = {}

    def put(self) -> None:
        """Replace what is not replaced already."""
        for index, (owner, name, observed) in enumerate(self._replacements):
            found = vars(owner).get(name, MISSING)
            # Somebody who had replaced it for a while may have put back what was observed then.
            if found is not observed:
                self._originals[index] = found
                _set(owner, name, observed)

    def undo(self) -> None:
        """Restore what was found. What somebody else has replaced since is left alone."""
        for index, original in self._originals.items():
            owner, name, observed = self._replacements[index]
            if vars(owner).get(name, MISSING) is not observed:
                continue
            if original is MISSING:
                delattr(owner, name)
            else:
                _set(owner, name, original)


def _set(owner: Any, name: str, value: object) -> None:
    try:
        setattr(owner, name, value)
    except TypeError:
        # A type written in C. Only the C core replaces methods of one.
        c_core: Any = core
        c_core.set_in_type(owner, name, value)
