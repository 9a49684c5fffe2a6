"""Replace attributes of a module or class by observed ones, and put the originals back."""

from __future__ import annotations

from types import ModuleType

from .._backend import core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, Final

    Part = Callable[[ModuleType], Iterable["Replacement"]]
    """A function that lists the replacements for a module. Called once for each module; replaces nothing by itself."""

MISSING: Final = object()
"""Stands for an attribute that never existed."""


class Replacement:
    """One attribute of a module or class, and its observed value."""

    __slots__ = ("around", "name", "observed", "owner")

    def __init__(
        self, owner: Any, name: str, observed: object, around: Callable[[object], object] | None = None
    ) -> None:
        self.owner = owner
        self.name = name
        self.observed = observed
        # Makes the replacement for a value that is not the interpreter's; None: use `observed` for any value.
        self.around = around


class Replacements:
    """The replacements of one module. They can be put in and undone any number of times."""

    def __init__(self, replacements: Iterable[Replacement]) -> None:
        self._replacements = tuple(replacements)
        self._originals: dict[int, object] = {}
        self._put: dict[int, object] = {}

    def put(self) -> None:
        """Replace whatever is not replaced already."""
        for index, each in enumerate(self._replacements):
            found = vars(each.owner).get(each.name, MISSING)
            # Somebody who replaced it for a while may have put the observed one back.
            if found is not each.observed and found is not self._put.get(index, MISSING):
                self._originals[index] = found
                self._put[index] = each.observed if each.around is None else each.around(found)
                _set(each.owner, each.name, self._put[index])

    def undo(self) -> None:
        """Restore the originals. A replacement made by somebody else since is left alone."""
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
