"""Records added from anywhere, and folded into totals by the first thread that finds time.

A record may come from a signal handler or a finalizer that interrupted the very code that folds. So adding takes no
lock: it appends to a deque, which is atomic. Folding is guarded. A thread that only adds does not wait for the guard,
unless records come faster than they are folded: then it waits a moment, which lets the other thread catch up.

Whatever interrupts a fold may also raise. So a record stays in the deque until it is folded. `fold` first computes
everything that can be interrupted, and then changes the totals with instructions that cannot: loads, sums and stores,
no calls. A call is allowed only as the last step, to a Python function that keeps to the same rule.
"""

from __future__ import annotations

from _thread import allocate_lock, get_ident
from collections import deque

from .interruptions import count_internal_error, is_internal_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

MOST_PENDING: Final = 20_000
"""Further records are lost, each counted as an internal error: nobody has managed to fold for long."""

_FOLD_AT = 256
_CROWDED_AT = MOST_PENDING // 10
_ADDER_PATIENCE = 0.0005
_READER_PATIENCE = 0.2


class Accumulator:
    """Apply `fold` to each record added, exactly once, one at a time."""

    def __init__(self, fold: Callable[[Any], None]) -> None:
        self._fold = fold
        self.reset()

    def reset(self) -> None:
        """Forget what is pending, in a child after fork: a thread of its parent may have held the guard."""
        self._pending: deque[Any] = deque()
        self._guard = allocate_lock()
        self._folding = 0

    def add(self, record: Any) -> None:
        """Add a record. Safe in any thread, signal handler or finalizer."""
        pending = len(self._pending)
        if pending >= MOST_PENDING:
            count_internal_error()
            return
        self._pending.append(record)
        if pending >= _FOLD_AT:
            self.settle(patience=_ADDER_PATIENCE if pending >= _CROWDED_AT else 0)

    def settle(self, patience: float = _READER_PATIENCE) -> None:
        """Fold what is pending; wait up to `patience` seconds for another thread that is folding.

        The wait is longer than a moment only if a signal handler interrupted that thread, perhaps to wait for this one.

        Returns at once if it interrupted a fold of its own thread, which goes on afterwards.
        """
        me = get_ident()
        if self._folding == me:
            return
        guard, is_mine = self._guard, False
        try:
            # A step of an iterator is no call: no signal handler can raise between it and the next line.
            for is_mine in map(guard.acquire, (True,), (patience,)):
                break
            if is_mine:
                self._folding = me
                self._fold_all(self._pending)
        finally:
            if is_mine:
                self._folding = 0
                guard.release()

    def _fold_all(self, pending: deque[Any]) -> None:
        while pending:
            record = pending[0]
            try:
                self._fold(record)
            except Exception as error:
                if not is_internal_error(error):
                    raise
            pending.popleft()
