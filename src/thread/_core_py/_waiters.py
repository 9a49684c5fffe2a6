"""Waiters of a lock or semaphore, and what is known of its owner meanwhile."""

from __future__ import annotations

from _thread import get_ident
from types import FrameType
from typing import Protocol

from .._base.uninterrupted import entered_at_once
from .._inspection.naming import GIL_SITE, RawSite
from .._rows import BlameRow, CurrentWaitRow
from . import _blame, _evidence
from ._code_info import info_of
from ._evidence import OwnerEvidence, WaiterEvidence
from ._frames import frame_of, frame_of_program
from ._identities import Identity, unobserved
from ._runtime import Settings, guarded, is_internal_error, monotonic_ns
from ._shares import Shares, Totals
from ._sites import site_charged


class Owned(Protocol):
    """A lock, or the record of a semaphore, as its waiters see it."""

    _identity: Identity
    _queue: Queue

    @property
    def _owner(self) -> int: ...


class Queue:
    """The waiters of one lock, and what is known of its owner meanwhile."""

    __slots__ = ("nobody", "owner_evidence", "owner_since", "totals", "waiting")

    def __init__(self, nobody: RawSite) -> None:
        self.nobody = nobody
        """Site to blame while no thread is known to have the lock."""
        self.waiting: dict[Waiter, None] = {}
        self.totals = Totals({}, 0, None)
        self.owner_since = 0
        self.owner_evidence: OwnerEvidence | None = None

    def owner_leaves(self, owner: int, frame: FrameType | None, span: object) -> None:
        """Charge the owner, which is in `frame` and about to release the lock, and weigh its evidence."""
        now = monotonic_ns()
        self.totals.charge(site_charged(frame) if owner else self.nobody, now)
        try:
            self._weigh_owner(owner, frame, span, now)
        finally:
            self.owner_becomes(None, now)

    def owner_becomes(self, site: RawSite | None, now: int) -> None:
        """Begin the time of another owner, or of none."""
        self.totals.owner_site = site
        self.owner_since = now
        self.owner_evidence = None

    def _weigh_owner(self, owner: int, frame: FrameType | None, span: object, now: int) -> None:
        first = next(iter(self.waiting.copy()), None)
        if first is None or not _evidence.is_wanted():
            return
        kept = now - max(self.owner_since, first.started)
        if self.owner_evidence is None and frame is not None and kept >= Settings.slow_wait_ns:
            site = self.totals.owner_site or site_charged(frame)
            self.owner_evidence = _evidence.of_owner(owner, frame, site, span)
        if self.owner_evidence is not None:
            for waiter in self.waiting.copy():
                waiter.weigh(self.owner_evidence, min(kept, now - waiter.started))


class Waiter:
    """One thread that waits for one lock."""

    __slots__ = (
        "acquire_site",
        "evidence",
        "evidence_due",
        "ident",
        "identity",
        "mutex",
        "owner_evidence",
        "owner_kept",
        "owner_site",
        "recorded",
        "shares",
        "started",
    )

    def __init__(self, mutex: Owned, recorded: bool = True) -> None:
        frame = frame_of_program()
        self.mutex = mutex
        self.identity = mutex._identity
        self.recorded = recorded and self.identity is not unobserved and not info_of(frame.f_code).reacquires
        self.ident = get_ident()
        self.started = monotonic_ns()
        self.shares = Shares(self.started)
        self.evidence: WaiterEvidence | None = None
        self.owner_evidence: OwnerEvidence | None = None
        """Of the owner that kept the lock for the longest time of those seen."""
        self.owner_kept = 0
        self.evidence_due: int | None = self.started + Settings.slow_wait_ns if self.recorded else None
        self.acquire_site = site_charged(frame)
        owner = mutex._owner
        self.owner_site = self._site_of(owner, frame_of(owner))

    def _site_of(self, owner: int, frame: FrameType | None) -> RawSite:
        return site_charged(frame) if owner else self.mutex._queue.nobody

    def take_evidence(self) -> None:
        """Record the owner and what it does at this moment, while it still has the lock."""
        self.evidence_due = None
        queue = self.mutex._queue
        owner = self.mutex._owner
        owner_frame = frame_of(owner)
        now = monotonic_ns()
        site = self._site_of(owner, owner_frame)
        queue.totals.look(now, site, self.shares, begins=False)
        self._give_evidence()
        if owner and self.evidence is not None:
            span = getattr(self.mutex, "_owner_span", None)
            queue.owner_evidence = _evidence.of_owner(owner, owner_frame, site, span)
            self.weigh(queue.owner_evidence, now - max(queue.owner_since, self.started))

    def _give_evidence(self) -> None:
        self.evidence_due = None
        if _evidence.is_wanted():
            self.evidence = _evidence.of_waiter(len(self.identity.waiters))

    def weigh(self, evidence: OwnerEvidence, kept: int) -> None:
        """Keep the evidence of the owner that kept the lock for the longest part of the wait."""
        if self.owner_evidence is None or kept > self.owner_kept:
            self.owner_evidence, self.owner_kept = evidence, kept

    @entered_at_once
    def enter(self) -> None:
        """Be seen waiting."""
        self.mutex._queue.totals.look(self.started, self.owner_site, self.shares, begins=True)
        self.mutex._queue.waiting[self] = None
        self.identity.waiters[self] = self.started
        _current[self] = self.started

    @entered_at_once
    def leave(self) -> None:
        """No longer be seen waiting. A method of the dicts would be a call, after which a signal handler may raise."""
        if self in self.mutex._queue.waiting:
            del self.mutex._queue.waiting[self]
        if self in self.identity.waiters:
            del self.identity.waiters[self]
        if self in _current:
            del _current[self]
        try:
            self.mutex._queue.totals.withdraw(self.shares)
        except Exception as error:
            if not is_internal_error(error):
                raise

    @entered_at_once
    def end(self, outcome: str) -> None:
        """Leave, and be recorded, unless it is that of a thread of the parent process."""
        try:
            if self.recorded and self in _current:
                self._record(outcome, monotonic_ns())
        except Exception as error:
            if not is_internal_error(error):
                raise
        finally:
            self.leave()

    def _parts(self, outcome: str, now: int) -> dict[RawSite, int]:
        queue = self.mutex._queue
        if outcome == "acquired" and queue.nobody is GIL_SITE:
            # This thread has the lock.
            queue.totals.charge(GIL_SITE, now)
            queue.owner_becomes(self.acquire_site, now)
            return queue.totals.parts(self.shares, now)
        owner = self.mutex._owner
        site = self._site_of(owner, frame_of(owner))
        return queue.totals.preview(site, now).parts(self.shares, now)

    def parts_until_now(self) -> dict[RawSite, int]:
        """Nanoseconds that each owner has kept the lock so far. No part falls before the wait ends."""
        owner = self.mutex._owner
        site = self._site_of(owner, frame_of(owner))
        now = monotonic_ns()
        totals = self.mutex._queue.totals
        preview = totals.preview(site, now)
        if preview.owner_site is None and site != GIL_SITE:
            # Nobody has looked at this owner yet. It is to be charged at its release where it is charged here.
            totals.look(now, site, Shares(now), begins=False)
        return {site: part for site, part in preview.parts(self.shares, now).items() if site != GIL_SITE}

    def _record(self, outcome: str, now: int) -> None:
        parts = self._parts(outcome, now)
        duration = now - self.started
        if self.evidence_due is not None and now >= self.evidence_due:
            # It became a slow one while it had no GIL to look with.
            guarded(self._give_evidence)
        self.recorded = False
        _evidence.record(self, parts, outcome, duration)


_current: dict[Waiter, int] = {}


def read_blame() -> list[BlameRow]:
    """One row per identity, acquire site and owner site, waits in progress included."""
    totals = _blame.totals_of_ended_waits()
    for waiter in list(_current):
        parts = waiter.parts_until_now() if waiter.recorded else {}
        # False by now: it may have ended before the totals were read.
        if waiter.recorded:
            for site, part in parts.items():
                _blame.add_to(totals, (waiter.identity, waiter.acquire_site, site), part)
    return _blame.rows_of(totals)


def rename_waits(mutex: object, former: Identity, identity: Identity) -> None:
    """Move the waits for a lock that was renamed: a wait counts under the name that the lock has when it ends."""
    if identity is former:
        return
    for waiter, started in list(former.waiters.items()):
        if isinstance(waiter, Waiter) and waiter.mutex is mutex:
            waiter.identity = identity
            identity.waiters[waiter] = started
            former.waiters.pop(waiter, None)


def read_current_waits() -> list[CurrentWaitRow]:
    """One row per thread that waits now for an observed lock."""
    return [
        CurrentWaitRow(
            ident=waiter.ident,
            lock=waiter.identity.name,
            kind=waiter.identity.kind,
            since_ns=waiter.started,
            owner=waiter.mutex._owner,
        )
        for waiter in list(_current)
        if waiter.identity is not unobserved
    ]


def forget_other_threads() -> None:
    """Let the waiters of the parent's threads leave, in a forked child."""
    me = get_ident()
    for waiter in list(_current):
        if waiter.ident != me:
            waiter.leave()
            waiter.mutex._queue.totals = Totals({}, 0, None)
