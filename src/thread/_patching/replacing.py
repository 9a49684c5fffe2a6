"""Puts observed things where a module or a class keeps the interpreter's, and what was there back again."""

from __future__ import annotations

from types import ModuleType

from .._backend import core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, Final

    Part = Callable[[ModuleType], Iterable["Replacement"]]
    """What is to be replaced once a module is there. Called once for each module; replaces nothing by itself."""

MISSING: Final = object()
"""In place of what was never there."""


class Replacement:
    """One name of a module or a class, and what it is to mean."""

    __slots__ = ("around", "name", "observed", "owner")

    def __init__(
        self, owner: Any, name: str, observed: object, around: Callable[[object], object] | None = None
    ) -> None:
        self.owner = owner
        self.name = name
        self.observed = observed
        # What to put in place of something that is not the interpreter's; None: `observed`, whatever is there.
        self.around = around


class Replacements:
    """Those of one module: put in place, taken out again, as often as wanted."""

    def __init__(self, replacements: Iterable[Replacement]) -> None:
        self._replacements = tuple(replacements)
        self._originals: dict[int, object] = {}
        self._put: dict[int, object] = {}

    def put(self) -> None:
        """Replace what is not replaced already."""
        for index, each in enumerate(self._replacements):
            found = vars(each.owner).get(each.name, MISSING)
            # Somebody who had replaced it for a while may have put back what was observed then.
            if found is not each.observed and found is not self._put.get(index, MISSING):
                self._originals[index] = found
                self._put[index] = each.observed if each.around is None else each.around(found)
                _set(each.owner, each.name, self._put[index])

    def undo(self) -> None:
        """Restore what was found. What somebody else has replaced since is left alone."""
        for index, original in self._originals.items():
            each = self._replacements[index]
            if vars(each.owner).get(each.name, MISSING) is not self._put[index]:
                continue
            if original is MISSING:
                delattr(each.owner, each.name)
            else:
                _set(each.owner, each.name, original)


def _set(owner: Any, name: str, value: object) -> None:
    try:
        setattr(owner, name, value)
    except TypeError:
        # A type written in C. Only the C core replaces methods of one.
        c_core: Any = core
        c_core.set_in_type(owner, name, value)
