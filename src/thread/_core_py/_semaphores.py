"""The records of semaphores.

`threading.Semaphore` keeps its value and its waiting threads itself. It is recorded as a lock whose owner is the thread
that has held a permit for the longest time: that thread is to blame when another one waits.
"""

from __future__ import annotations

import sys
from _thread import get_ident
from typing import Final

from .._base.uninterrupted import entered_at_once
from .._inspection.naming import UNKNOWN_SITE
from ._frames import frame_of
from ._identities import record_hold
from ._naming import identity_created
from ._runtime import checked_name, is_internal_error, monotonic_ns
from ._waiters import Queue, Waiter

MAX_HOLDERS: Final = 1024
"""Limit of holders that are known one by one. More are only counted."""


class SemaphoreRecord:
    """The record of one semaphore, which reports to it what happens."""

    __slots__ = ("__weakref__", "_holders", "_identity", "_queue", "_token")

    def __init__(self, *, name: str | None = None, bounded: bool = False) -> None:
        kind = "bounded_semaphore" if bounded else "semaphore"
        self._identity = identity_created(kind, checked_name(name, "semaphore"), sys._getframe(1))
        self._token = self._identity.token
        self._holders: list[tuple[int, int]] = []
        self._queue = Queue(nobody=UNKNOWN_SITE)

    @property
    def _owner(self) -> int:
        for ident, _ in self._holders:
            return ident
        return 0

    def acquired(self) -> None:
        """Record that this thread got a permit."""
        identity = self._identity
        acquisitions = identity.count_acquisition()
        hold_started = 0
        if acquisitions >= identity.next_sample:
            identity.draw_next_sample(acquisitions)
            hold_started = monotonic_ns()
        if not self._holders:
            self._charge_owner()
        if len(self._holders) < MAX_HOLDERS:
            self._holders.append((get_ident(), hold_started))

    def released(self, n: int = 1, /) -> None:
        """Record that this thread gave back `n` permits."""
        for _ in range(min(n, len(self._holders))):
            holder = self._holder_that_releases()
            if holder[0] == self._owner:
                self._charge_owner()
            self._remove_holder(holder)

    def _charge_owner(self) -> None:
        """Charge the thread that has held a permit for the longest time; another one is the owner from now on."""
        try:
            if self._queue.waiting:
                self._queue.owner_leaves(self._owner, frame_of(self._owner), None)
        except Exception as error:
            if not is_internal_error(error):
                raise

    def _holder_that_releases(self) -> tuple[int, int]:
        """Newest holder of this thread; oldest of all if this thread holds none, as when a release is a signal."""
        me = get_ident()
        holders = self._holders.copy()
        for holder in reversed(holders):
            if holder[0] == me:
                return holder
        return next(iter(holders), (0, 0))

    def _remove_holder(self, holder: tuple[int, int]) -> None:
        try:
            # Any of several equal ones will do: they differ in nothing.
            self._holders.remove(holder)
        except ValueError:
            return
        hold_started = holder[1]
        if hold_started:
            record_hold(self._identity, monotonic_ns() - hold_started)

    def begin_wait(self) -> SemaphoreWait:
        """Record that this thread begins to wait for a permit."""
        waiter = Waiter(self)
        ended_when_dropped = SemaphoreWait(waiter)
        waiter.enter()
        return ended_when_dropped


class SemaphoreWait:
    """A thread that waits for a permit. A wait that is dropped before its end was interrupted."""

    __slots__ = ("_waiter",)

    def __init__(self, waiter: Waiter) -> None:
        self._waiter: Waiter | None = waiter

    @entered_at_once
    def __del__(self) -> None:
        # What a signal handler raises in a finalizer is lost, so usually there is no call in here.
        if self._waiter is not None:
            self._finish("interrupted")

    def seconds_to_evidence(self) -> float | None:
        """Seconds until the wait is a slow one, None once its evidence was given."""
        waiter = self._waiter
        if waiter is None or waiter.evidence_due is None:
            return None
        return max(waiter.evidence_due - monotonic_ns(), 0) * 1e-9

    def give_evidence(self) -> None:
        """Record the stacks of this thread and of the holder of a permit."""
        if self._waiter is not None:
            try:
                self._waiter.take_evidence()
            except Exception as error:
                if not is_internal_error(error):
                    raise

    def end(self, acquired: bool | None, /) -> None:
        """End the wait: with a permit, without one because the time was up, or, if None, interrupted."""
        self._finish("interrupted" if acquired is None else "acquired" if acquired else "timed out")

    def _finish(self, outcome: str) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            waiter.end(outcome)
