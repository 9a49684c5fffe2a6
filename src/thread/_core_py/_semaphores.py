"""The records of semaphores.

`threading.Semaphore` keeps its value and its waiting threads itself. What is recorded of it is that of a lock whose
owner is the thread that has held a permit for the longest time, and is to blame when another one waits.
"""

from __future__ import annotations

import sys
from _thread import get_ident
from typing import Final

from .._base.uninterrupted import entered_at_once
from .._inspection.naming import UNKNOWN_SITE
from ._frames import frame_of
from ._names import checked_name
from ._places import identity_created
from ._records import record_hold
from ._state import is_internal_error, monotonic_ns
from ._waits import Queue, Wait

MAX_HOLDERS: Final = 1024
"""More are counted, but nobody looks who they are."""


class SemaphoreRecord:
    """What is recorded of one semaphore, which tells it what happens."""

    __slots__ = ("__weakref__", "_holders", "_identity", "_queue", "_token")

    def __init__(self, *, name: str | None = None) -> None:
        self._identity = identity_created("semaphore", checked_name(name, "semaphore"), sys._getframe(1))
        self._token = self._identity.token
        self._holders: list[tuple[int, int]] = []
        self._queue = Queue(nobody=UNKNOWN_SITE)

    @property
    def _owner(self) -> int:
        for ident, _ in self._holders:
            return ident
        return 0

    def acquired(self) -> None:
        """This thread got a permit."""
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
        """This thread gave back `n` permits."""
        for _ in range(min(n, len(self._holders))):
            holder = self._holder_that_releases()
            if holder[0] == self._owner:
                self._charge_owner()
            self._remove_holder(holder)

    def _charge_owner(self) -> None:
        """Charge who has held a permit for the longest time: somebody else is the one from now on."""
        try:
            if self._queue.waiting:
                self._queue.owner_leaves(self._owner, frame_of(self._owner), None)
        except Exception as error:
            if not is_internal_error(error):
                raise

    def _holder_that_releases(self) -> tuple[int, int]:
        """The newest of this thread; the oldest of all if another thread gives back the permit, as a signal."""
        me = get_ident()
        holders = self._holders.copy()
        for holder in reversed(holders):
            if holder[0] == me:
                return holder
        return next(iter(holders), (0, 0))

    def _remove_holder(self, holder: tuple[int, int]) -> None:
        try:
            # Of equal ones any will do: they differ in nothing.
            self._holders.remove(holder)
        except ValueError:
            return
        hold_started = holder[1]
        if hold_started:
            record_hold(self._identity, monotonic_ns() - hold_started)

    def begin_wait(self) -> SemaphoreWait:
        """This thread begins to wait for a permit."""
        wait = Wait(self)
        ended_when_dropped = SemaphoreWait(wait)
        wait.enter()
        return ended_when_dropped


class SemaphoreWait:
    """A thread that waits for a permit. One that is dropped without an end was interrupted."""

    __slots__ = ("_wait",)

    def __init__(self, wait: Wait) -> None:
        self._wait: Wait | None = wait

    @entered_at_once
    def __del__(self) -> None:
        # What a signal handler raises in a finalizer is lost, so usually there is no call in here.
        if self._wait is not None:
            self._finish("interrupted")

    def seconds_to_evidence(self) -> float | None:
        """How long until the wait is a slow one, None once its evidence was given."""
        wait = self._wait
        if wait is None or wait.evidence_due is None:
            return None
        return max(wait.evidence_due - monotonic_ns(), 0) * 1e-9

    def give_evidence(self) -> None:
        """Record who holds a permit now and what this thread and that one do."""
        if self._wait is not None:
            try:
                self._wait.take_evidence()
            except Exception as error:
                if not is_internal_error(error):
                    raise

    def end(self, acquired: bool | None, /) -> None:
        """The wait is over: with a permit, without one because its time was up, or, if None, interrupted."""
        self._finish("interrupted" if acquired is None else "acquired" if acquired else "timed out")

    def _finish(self, outcome: str) -> None:
        wait, self._wait = self._wait, None
        if wait is not None:
            wait.end(outcome)
