"""What happens when a lock is not to be had at once: the wait, who is to blame for it, and evidence if it is slow."""

from __future__ import annotations

import sys
from _thread import get_ident, get_native_id
from types import CodeType, FrameType
from typing import Final, Protocol

from .._naming import RawSite
from . import _places
from ._events import push_event
from ._records import Identity, unobserved, waits
from ._spans import current_span
from ._state import Settings, count_fault, is_hidden, monotonic_ns, on_fork
from ._tasks import task_of_this_thread

FOREVER: Final = -1


class RawAcquire(Protocol):
    """The interpreter's own `lock.acquire`."""

    def __call__(self, blocking: bool = True, timeout: float = -1) -> bool: ...


class Owned(Protocol):
    """What a lock, or the record of a semaphore, shows of itself to those that wait for it."""

    _identity: Identity

    @property
    def _owner(self) -> int: ...


class Contended(Owned, Protocol):
    """A lock."""

    _raw_acquire: RawAcquire


class Wait:
    """One thread that waits for one lock."""

    __slots__ = (
        "acquire_site",
        "evidence",
        "evidence_due",
        "ident",
        "identity",
        "lock",
        "owner_site",
        "seen_at",
        "shares",
        "started",
    )

    def __init__(self, lock: Owned, frame: FrameType) -> None:
        self.lock = lock
        self.identity = lock._identity
        self.ident = get_ident()
        self.started = self.seen_at = monotonic_ns()
        self.shares: list[tuple[RawSite, RawSite, int]] = []
        self.evidence: tuple[object, ...] | None = None
        self.evidence_due: int | None = None if self.identity is unobserved else self.started + Settings.slow_wait_ns
        self.acquire_site = _places.site_charged(frame)
        self.owner_site = _places.site_charged(_frame_of(lock._owner))
        self.identity.waiting[self] = self.started
        _current[self] = self.started

    def charge(self, now: int) -> None:
        """Charge the time since the last look to the owner seen at the last look."""
        self.shares.append((self.acquire_site, self.owner_site, now - self.seen_at))
        self.seen_at = now

    def take_evidence(self, frame: FrameType) -> None:
        """Record who holds the lock and what that thread does at this moment, while it still holds it."""
        self.charge(monotonic_ns())
        self.evidence_due = None
        owner = self.lock._owner
        owner_frame = _frame_of(owner)
        if owner:
            self.owner_site = _places.site_charged(owner_frame)
        self._give_evidence(frame, owner, _places.stack_of(owner_frame), getattr(self.lock, "_owner_span", None))

    def _give_evidence(self, frame: FrameType, owner: int, owner_stack: object, owner_span: object) -> None:
        if Settings.listening and not is_hidden():
            self.evidence = (
                _places.stack_of(frame),
                self.acquire_site,
                owner,
                owner_stack,
                self.owner_site,
                len(self.identity.waiting),
                task_of_this_thread(),
                current_span(),
                owner_span,
            )

    def leave(self) -> None:
        """No longer be seen waiting."""
        self.identity.waiting.pop(self, None)
        _current.pop(self, None)

    def end(self, frame: FrameType, outcome: str) -> None:
        """Be recorded, unless it is that of a thread of the parent process, and leave."""
        now = monotonic_ns()
        if self.identity is not unobserved and self in _current:
            self._record(frame, outcome, now)
        self.leave()

    def _record(self, frame: FrameType, outcome: str, now: int) -> None:
        self.charge(now)
        duration = now - self.started
        if self.evidence_due is not None and now >= self.evidence_due:
            # It became a slow one while it had no GIL to look with, and the lock was free when it had.
            try:
                self._give_evidence(frame, 0, (), None)
            except Exception:
                count_fault()
        waits.add((self.identity, outcome, duration, self.shares))
        if self.evidence is not None:
            identity = self.identity
            # Seen from Python, the lock and the GIL are had in one step: the wait for the GIL cannot be told.
            push_event(
                ("slow_wait", identity.name, identity.kind, identity.location, self.ident, get_native_id())
                + self.evidence
                + (self.started, duration, None, outcome)
            )


_current: dict[Wait, int] = {}
_reacquisitions: set[CodeType] = set()


def mark_reacquisition(code: CodeType) -> None:
    """Declare that code which waits for a lock does so to get back what it gave up in Condition.wait."""
    if not isinstance(code, CodeType):
        raise TypeError(f"expected a code object, got {type(code).__name__}")
    _reacquisitions.add(code)


def _frame_of(ident: int) -> FrameType | None:
    return sys._current_frames().get(ident)


def acquire_contended(lock: Contended, timeout: float) -> bool:
    """Wait for a lock that somebody holds, `timeout` seconds or FOREVER. True if it was acquired.

    Called by the lock's own method, whose caller is the acquire site. An exception that a signal handler raises
    ends the wait and is counted as an interruption.
    """
    frame = sys._getframe(2)
    wait = Wait(lock, frame)
    if frame.f_code in _reacquisitions or wait.identity is unobserved:
        return _wait_unrecorded(wait, lock, timeout)
    outcome = "interrupted"
    try:
        acquired = _wait_in_two_steps(wait, lock._raw_acquire, frame, timeout)
        outcome = "acquired" if acquired else "timed out"
        return acquired
    finally:
        wait.end(frame, outcome)


def reacquire_contended(lock: Contended) -> None:
    """Wait for the lock that was given up in Condition.wait. Not recorded, for it is a part of that wait."""
    _wait_unrecorded(Wait(lock, sys._getframe(2)), lock, FOREVER)


def _wait_unrecorded(wait: Wait, lock: Contended, timeout: float) -> bool:
    try:
        return lock._raw_acquire(True, timeout)
    finally:
        wait.leave()


def _wait_in_two_steps(wait: Wait, raw_acquire: RawAcquire, frame: FrameType, timeout: float) -> bool:
    slow = Settings.slow_wait_ns * 1e-9
    if timeout != FOREVER and timeout <= slow:
        return raw_acquire(True, timeout)
    if raw_acquire(True, slow):
        return True
    try:
        wait.take_evidence(frame)
    except Exception:
        count_fault()
    if timeout == FOREVER:
        return raw_acquire()
    elapsed = (monotonic_ns() - wait.started) * 1e-9
    return raw_acquire(True, max(timeout - elapsed, 0.0))


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
