"""A counter that no thread switch, signal handler or finalizer can make lose a count."""

from __future__ import annotations

from itertools import count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Counter:
    """Counts with `itertools.count`, whose step is one C call and hence atomic under the GIL."""

    __slots__ = ("_steps", "add")

    add: Callable[[], int]
    """Count one; returns the number of counts so far, each number exactly once."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Back to zero."""
        self._steps = count(1)
        self.add = self._steps.__next__

    @property
    def value(self) -> int:
        """The counts so far. The representation is the one way to look without stepping on."""
        return int(repr(self._steps)[6:-1]) - 1
