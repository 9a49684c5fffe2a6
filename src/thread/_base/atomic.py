"""A counter that loses no count to a thread switch, signal handler or finalizer."""

from __future__ import annotations

from itertools import count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Counter:
    """A counter on `itertools.count`, whose step is one C call and hence atomic under the GIL."""

    __slots__ = ("_steps", "add")

    add: Callable[[], int]
    """Count one; returns the number of counts so far, each number exactly once."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Return to zero."""
        self._steps = count(1)
        self.add = self._steps.__next__

    @property
    def value(self) -> int:
        """The counts so far. The representation is the only way to look without taking a step."""
        return int(repr(self._steps)[6:-1]) - 1
