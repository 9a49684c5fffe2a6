"""Locks in the pickles of dill, which has a function to save each type of lock."""

from __future__ import annotations

from _thread import LockType, RLock
from types import ModuleType

from .._backend import core
from .._patching.replacing import Replacement

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

_SAME: Final = ((LockType, core.LockType), (RLock, core.RLock))


def in_dill(dill: ModuleType) -> list[Replacement]:
    """Replace nothing: dill has registered the types that it found at its import; ours are added for good.

    Locks of either sort may be saved at any time, and observed ones live on after observation has ended.
    """
    savers = getattr(getattr(dill, "Pickler", None), "dispatch", {})
    for pair in _SAME:
        found = [savers[cls] for cls in pair if cls in savers]
        if found:
            savers.update(dict.fromkeys(pair, found[0]))
    return []
