"""Adding records from anywhere, folding them into totals by whoever gets there first.

A record may come from a signal handler or a finalizer that interrupted the very code that folds. So adding takes no
lock: it appends to a deque, which is atomic. Folding is guarded, and nobody who merely adds ever waits for the guard.
"""

from __future__ import annotations

from _thread import allocate_lock, get_ident
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

Record = TypeVar("Record")

_FOLD_AT = 256
_READER_PATIENCE = 0.2


class Accumulator(Generic[Record]):
    """Applies `fold` to each record added, exactly once, one at a time."""

    def __init__(self, fold: Callable[[Record], None]) -> None:
        self._fold = fold
        self.reset()

    def reset(self) -> None:
        """Forget what is pending, as a child after fork does: a parent's thread may have held the guard."""
        self._pending: deque[Record] = deque()
        self._guard = allocate_lock()
        self._folding = 0

    def add(self, record: Record) -> None:
        """Safe in any thread, signal handler or finalizer."""
        self._pending.append(record)
        if len(self._pending) >= _FOLD_AT:
            self.settle(patience=0)

    def settle(self, patience: float = _READER_PATIENCE) -> None:
        """Fold what is pending, waiting `patience` seconds at most for another thread that does.

        Longer than a moment it takes only where a signal handler interrupted that thread, perhaps to wait for this one.

        Returns at once where it interrupted a fold of its own thread, which goes on afterwards.
        """
        if self._folding == get_ident() or not self._guard.acquire(timeout=patience):
            return
        self._folding = get_ident()
        try:
            while self._pending:
                self._fold(self._pending.popleft())
        finally:
            self._folding = 0
            self._guard.release()
