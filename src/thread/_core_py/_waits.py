"""What happens when a lock is not to be had at once: the wait, who is to blame for it, and evidence if it is slow."""

from __future__ import annotations

from _thread import get_ident, get_native_id
from types import CodeType, FrameType
from typing import Final, Protocol

from .._base.uninterrupted import entered_at_once, this_thread
from .._inspection.naming import GIL_SITE, UNKNOWN_SITE, RawSite
from . import _places
from ._events import push_event
from ._frames import frame_of, frame_of_program
from ._records import Identity, unobserved, waits
from ._shares import Share, Totals
from ._spans import current_span
from ._state import Settings, is_internal_error, is_untracked, monotonic_ns, on_fork
from ._tasks import current_task

FOREVER: Final = -1


class RawAcquire(Protocol):
    """The interpreter's own `lock.acquire`."""

    def __call__(self, blocking: bool = True, timeout: float = -1) -> bool: ...


Evidence = tuple[tuple[RawSite, ...], int, object, object]
"""A waiter: its stack, how many waited, its asyncio task and the context of its span."""
OwnerEvidence = tuple[int, tuple[RawSite, ...], RawSite, object]
"""An owner: its ident, its stack, its site and the context of its span."""


class Owned(Protocol):
    """What a lock, or the record of a semaphore, shows of itself to those that wait for it."""

    _identity: Identity
    _queue: Queue

    @property
    def _owner(self) -> int: ...


class Contended(Protocol):
    """A lock."""

    _depth: int
    _identity: Identity
    _owner: int
    _queue: Queue
    _raw_acquire: RawAcquire

    def _give_back(self) -> None: ...


class Queue:
    """Those that wait for one lock, and what is known of its owner meanwhile."""

    __slots__ = ("nobody", "owner_evidence", "owner_since", "totals", "waiting")

    def __init__(self, nobody: RawSite) -> None:
        self.nobody = nobody
        """To blame while no thread is known to have the lock."""
        self.waiting: dict[Wait, None] = {}
        self.totals = Totals({}, 0, None)
        self.owner_since = 0
        self.owner_evidence: OwnerEvidence | None = None

    def owner_leaves(self, owner: int, frame: FrameType | None, span: object) -> None:
        """Charge the owner, which is in `frame` and about to release the lock, and weigh what it did meanwhile."""
        now = monotonic_ns()
        self.totals.charge(_places.site_charged(frame) if owner else self.nobody, now)
        try:
            self._weigh_owner(owner, frame, span, now)
        finally:
            self.owner_becomes(None, now)

    def owner_becomes(self, site: RawSite | None, now: int) -> None:
        """Another thread has the lock, or none."""
        self.totals.site = site
        self.owner_since = now
        self.owner_evidence = None

    def _weigh_owner(self, owner: int, frame: FrameType | None, span: object, now: int) -> None:
        first = next(iter(self.waiting.copy()), None)
        if first is None or not Settings.listening or is_untracked():
            return
        kept = now - max(self.owner_since, first.started)
        if self.owner_evidence is None and frame is not None and kept >= Settings.slow_wait_ns:
            site = self.totals.site or _places.site_charged(frame)
            self.owner_evidence = (owner, _places.stack_of(frame), site, span)
        if self.owner_evidence is not None:
            for wait in self.waiting.copy():
                wait.weigh(self.owner_evidence, min(kept, now - wait.started))


class Wait:
    """One thread that waits for one lock."""

    __slots__ = (
        "acquire_site",
        "evidence",
        "evidence_due",
        "ident",
        "identity",
        "is_recorded",
        "lock",
        "owner_evidence",
        "owner_kept",
        "owner_site",
        "share",
        "started",
    )

    def __init__(self, lock: Owned, is_recorded: bool = True) -> None:
        frame = frame_of_program()
        self.lock = lock
        self.identity = lock._identity
        self.is_recorded = is_recorded and self.identity is not unobserved and frame.f_code not in _reacquisitions
        self.ident = get_ident()
        self.started = monotonic_ns()
        self.share = Share(self.started)
        self.evidence: Evidence | None = None
        self.owner_evidence: OwnerEvidence | None = None
        self.owner_kept = 0
        self.evidence_due: int | None = self.started + Settings.slow_wait_ns if self.is_recorded else None
        self.acquire_site = _places.site_charged(frame)
        owner = lock._owner
        self.owner_site = self._site_of(owner, frame_of(owner))

    def _site_of(self, owner: int, frame: FrameType | None) -> RawSite:
        return _places.site_charged(frame) if owner else self.lock._queue.nobody

    def take_evidence(self) -> None:
        """Record who holds the lock and what that thread does at this moment, while it still holds it."""
        self.evidence_due = None
        queue = self.lock._queue
        owner = self.lock._owner
        owner_frame = frame_of(owner)
        now = monotonic_ns()
        site = self._site_of(owner, owner_frame)
        queue.totals.look(now, site, self.share, begins=False)
        self._give_evidence()
        if owner and self.evidence is not None:
            span = getattr(self.lock, "_owner_span", None)
            queue.owner_evidence = (owner, _places.stack_of(owner_frame), site, span)
            self.weigh(queue.owner_evidence, now - max(queue.owner_since, self.started))

    def _give_evidence(self) -> None:
        self.evidence_due = None
        if Settings.listening and not is_untracked():
            waiters = len(self.identity.waiting)
            self.evidence = (_places.stack_of(frame_of_program()), waiters, current_task(), current_span())

    def weigh(self, evidence: OwnerEvidence, kept: int) -> None:
        """The evidence of the owner that kept the lock for the longest part of the wait is that of the wait."""
        if self.owner_evidence is None or kept > self.owner_kept:
            self.owner_evidence, self.owner_kept = evidence, kept

    @entered_at_once
    def enter(self) -> None:
        """Be seen waiting."""
        self.lock._queue.totals.look(self.started, self.owner_site, self.share, begins=True)
        self.lock._queue.waiting[self] = None
        self.identity.waiting[self] = self.started
        _current[self] = self.started

    @entered_at_once
    def leave(self) -> None:
        """No longer be seen waiting. A method of the dicts would be a call, after which a signal handler may raise."""
        if self in self.lock._queue.waiting:
            del self.lock._queue.waiting[self]
        if self in self.identity.waiting:
            del self.identity.waiting[self]
        if self in _current:
            del _current[self]
        try:
            self.lock._queue.totals.withdraw(self.share)
        except Exception as error:
            if not is_internal_error(error):
                raise

    @entered_at_once
    def end(self, outcome: str) -> None:
        """Leave, and be recorded, unless it is that of a thread of the parent process."""
        try:
            if self.is_recorded and self in _current:
                self._record(outcome, monotonic_ns())
        except Exception as error:
            if not is_internal_error(error):
                raise
        finally:
            self.leave()

    def _parts(self, outcome: str, now: int) -> dict[RawSite, int]:
        queue = self.lock._queue
        if outcome == "acquired" and queue.nobody is GIL_SITE:
            # This thread has the lock.
            queue.totals.charge(GIL_SITE, now)
            queue.owner_becomes(self.acquire_site, now)
            return queue.totals.parts(self.share, now)
        owner = self.lock._owner
        site = self._site_of(owner, frame_of(owner))
        return queue.totals.preview(site, now).parts(self.share, now)

    def _record(self, outcome: str, now: int) -> None:
        parts = self._parts(outcome, now)
        duration = now - self.started
        if self.evidence_due is not None and now >= self.evidence_due:
            # It became a slow one while it had no GIL to look with.
            try:
                self._give_evidence()
            except Exception as error:
                if not is_internal_error(error):
                    raise
        shares = [(self.acquire_site, site, 1, nanoseconds) for site, nanoseconds in parts.items()]
        waits.add((self.identity, outcome, duration, shares))
        if self.evidence is not None:
            self._push_event(self.evidence, parts, outcome, duration)

    def _push_event(self, evidence: Evidence, parts: dict[RawSite, int], outcome: str, duration: int) -> None:
        owner, owner_stack, owner_site, owner_span = self.owner_evidence or (0, (), _most_to_blame(parts), None)
        stack, waiters, task, span = evidence
        identity = self.identity
        push_event(
            (
                "slow_wait",
                identity.name,
                identity.kind,
                identity.location,
                self.ident,
                get_native_id(),
                stack,
                self.acquire_site,
                owner,
                owner_stack,
                owner_site,
                waiters,
                task,
                span,
                owner_span,
                self.started,
                duration,
                # Seen from Python, the lock and the GIL are had in one step: the wait for the GIL cannot be told.
                None,
                outcome,
            )
        )


def _most_to_blame(parts: dict[RawSite, int]) -> RawSite:
    """Of a wait for many owners, each for a short time, only the site with the largest part is known."""
    owners = [site for site in parts if site is not GIL_SITE]
    return max(owners, key=parts.__getitem__, default=UNKNOWN_SITE)


_current: dict[Wait, int] = {}
_reacquisitions: set[CodeType] = set()


def mark_reacquisition(code: CodeType) -> None:
    """Declare that code which waits for a lock does so to get back what it gave up in Condition.wait."""
    if not isinstance(code, CodeType):
        raise TypeError(f"expected a code object, got {type(code).__name__}")
    _reacquisitions.add(code)


def acquire_contended(lock: Contended, timeout: float, *, is_recorded: bool = True) -> bool:
    """Wait for a lock that somebody holds, `timeout` seconds or FOREVER. True if it was acquired.

    Raises nothing but what a signal handler raises, and never with the lock: that ends the wait, which is counted as
    interrupted, or gives back the lock if it was acquired just before. What no wait can be made for is waited for
    without one. In Condition.wait, a wait for the lock that was given up there is part of that one, and not recorded.
    """
    wait = _wait_for(lock, is_recorded)
    if wait is None:
        return _wait_for_raw(lock, timeout)
    acquired = False
    outcome = "interrupted"
    try:
        try:
            acquired = _wait_in_steps(wait, lock, timeout)
            outcome = "acquired" if acquired else "timed out"
        finally:
            wait.end(outcome)
        return acquired
    except BaseException:
        if acquired:
            lock._give_back()
        raise


def _wait_for(lock: Owned, is_recorded: bool) -> Wait | None:
    """A wait that is seen from now on, None where it cannot be made."""
    wait = None
    try:
        wait = Wait(lock, is_recorded)
        wait.enter()
        return wait
    except BaseException as error:
        if wait is not None:
            wait.leave()
        if not is_internal_error(error):
            raise
    return None


@entered_at_once
def _wait_for_raw(lock: Contended, timeout: float) -> bool:
    """A signal handler that runs right afterwards finds the lock owned."""
    acquired = False
    for acquired in map(lock._raw_acquire, (True,), (timeout,)):
        break
    if acquired:
        lock._depth = 1
        for lock._owner in this_thread:
            break
    return acquired


LOOK_UP_NS: Final = 10_000_000


def _wait_in_steps(wait: Wait, lock: Contended, timeout: float) -> bool:
    """Wait, and look up after LOOK_UP_NS, after twice that time, and so on, and when evidence is due.

    A signal that arrives when a thread is about to sleep ends no sleep: its handler runs when the thread looks up.
    """
    deadline = None if timeout == FOREVER else wait.started + int(timeout * 1e9)
    look_up = wait.started + LOOK_UP_NS
    while True:
        evidence_due = wait.evidence_due
        until = min(each for each in (look_up, deadline, evidence_due) if each is not None)
        if _wait_for_raw(lock, max(until - monotonic_ns(), 0) * 1e-9):
            return True
        now = monotonic_ns()
        if evidence_due is not None and now >= evidence_due:
            _take_evidence(wait)
        if deadline is not None and now >= deadline:
            return False
        if now >= look_up:
            look_up = now + (now - wait.started)


def _take_evidence(wait: Wait) -> None:
    try:
        wait.take_evidence()
    except Exception as error:
        if not is_internal_error(error):
            raise


def rename_waits(lock: object, former: Identity, identity: Identity) -> None:
    """Have the waits for a lock that was renamed recorded under its new name."""
    for wait, started in list(former.waiting.items()):
        if isinstance(wait, Wait) and wait.lock is lock:
            wait.identity = identity
            identity.waiting[wait] = started
            former.waiting.pop(wait, None)


def read_current_waits() -> list[tuple[int, str, str, int, int]]:
    """One row per thread that waits now: ident, lock name and kind, since when, ident of the owner."""
    return [
        (wait.ident, wait.identity.name, wait.identity.kind, wait.started, wait.lock._owner)
        for wait in list(_current)
        if wait.identity.kind
    ]


@on_fork
def _forget_other_threads() -> None:
    me = get_ident()
    for wait in list(_current):
        if wait.ident != me:
            wait.leave()
            wait.lock._queue.totals = Totals({}, 0, None)
