"""What happens when a lock is not to be had at once: the wait, who is to blame for it, and evidence if it is slow."""

from __future__ import annotations

import sys
from _thread import get_ident, get_native_id
from types import CodeType, FrameType
from typing import Final, Protocol

from .._naming import OWN_FOLDER
from .._uninterrupted import entered_at_once, this_thread
from . import _places
from ._events import push_event
from ._frames import frame_of
from ._records import Identity, Share, unobserved, waits
from ._spans import current_span
from ._state import Settings, is_fault, is_hidden, monotonic_ns, on_fork
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


class Contended(Protocol):
    """A lock."""

    _depth: int
    _identity: Identity
    _owner: int
    _raw_acquire: RawAcquire

    def _give_back(self) -> None: ...


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
        self.shares: list[Share] = []
        self.evidence: tuple[object, ...] | None = None
        self.evidence_due: int | None = None if self.identity is unobserved else self.started + Settings.slow_wait_ns
        self.acquire_site = _places.site_charged(frame)
        self.owner_site = _places.site_charged(frame_of(lock._owner))

    def charge(self, now: int) -> None:
        """Charge the time since the last look to the owner seen at the last look."""
        is_new = not self.shares or self.shares[-1][1] is not self.owner_site
        self.shares.append((self.acquire_site, self.owner_site, int(is_new), now - self.seen_at))
        self.seen_at = now

    def take_evidence(self, frame: FrameType) -> None:
        """Record who holds the lock and what that thread does at this moment, while it still holds it."""
        self.charge(monotonic_ns())
        self.evidence_due = None
        owner = self.lock._owner
        owner_frame = frame_of(owner)
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

    def enter(self) -> None:
        """Be seen waiting."""
        self.identity.waiting[self] = self.started
        _current[self] = self.started

    @entered_at_once
    def leave(self) -> None:
        """No longer be seen waiting. A method of the dicts would be a call, after which a signal handler may raise."""
        if self in self.identity.waiting:
            del self.identity.waiting[self]
        if self in _current:
            del _current[self]

    @entered_at_once
    def end(self, frame: FrameType, outcome: str) -> None:
        """Leave, and be recorded, unless it is that of a thread of the parent process."""
        is_recorded = self.identity is not unobserved and self in _current
        self.leave()
        if is_recorded:
            try:
                self._record(frame, outcome, monotonic_ns())
            except Exception as error:
                if not is_fault(error):
                    raise

    def _record(self, frame: FrameType, outcome: str, now: int) -> None:
        self.charge(now)
        duration = now - self.started
        if self.evidence_due is not None and now >= self.evidence_due:
            # It became a slow one while it had no GIL to look with, and the lock was free when it had.
            try:
                self._give_evidence(frame, 0, (), None)
            except Exception as error:
                if not is_fault(error):
                    raise
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


def acquire_contended(lock: Contended, timeout: float) -> bool:
    """Wait for a lock that somebody holds, `timeout` seconds or FOREVER. True if it was acquired.

    Raises nothing but what a signal handler raises, and never with the lock: that ends the wait, which is counted as
    interrupted, or gives back the lock if it was acquired just before.
    """
    frame = _caller()
    if frame.f_code in _reacquisitions:
        return _wait_unrecorded(lock, timeout)
    wait = _wait_for(lock, frame)
    if wait is None:
        return _wait_for_raw(lock, timeout)
    acquired = False
    outcome = "interrupted"
    try:
        try:
            wait.enter()
            acquired = _wait_in_two_steps(wait, lock, frame, timeout)
            outcome = "acquired" if acquired else "timed out"
        finally:
            wait.end(frame, outcome)
        return acquired
    except BaseException:
        if acquired:
            lock._give_back()
        raise


def reacquire_contended(lock: Contended) -> None:
    """Wait for the lock that was given up in Condition.wait. Not recorded, for it is a part of that wait.

    Raises only what a signal handler raises, and never with the lock.
    """
    _wait_unrecorded(lock, FOREVER)


def _caller() -> FrameType:
    """The frame that wants the lock: the innermost that is not ours."""
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(OWN_FOLDER):
        frame = frame.f_back
    return frame


def _wait_for(lock: Owned, frame: FrameType) -> Wait | None:
    """A wait to be recorded, None where it cannot be made."""
    try:
        return Wait(lock, frame)
    except Exception as error:
        if not is_fault(error):
            raise
    return None


def _wait_unrecorded(lock: Contended, timeout: float) -> bool:
    wait = _wait_for(lock, _caller())
    if wait is None:
        return _wait_for_raw(lock, timeout)
    acquired = False
    try:
        try:
            wait.enter()
            acquired = _wait_for_raw(lock, timeout)
        finally:
            wait.leave()
        return acquired
    except BaseException:
        if acquired:
            lock._give_back()
        raise


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


def _wait_in_two_steps(wait: Wait, lock: Contended, frame: FrameType, timeout: float) -> bool:
    slow = Settings.slow_wait_ns * 1e-9
    if timeout != FOREVER and timeout <= slow:
        return _wait_for_raw(lock, timeout)
    if _wait_for_raw(lock, slow):
        return True
    try:
        wait.take_evidence(frame)
    except Exception as error:
        if not is_fault(error):
            raise
    if timeout == FOREVER:
        return _wait_for_raw(lock, FOREVER)
    elapsed = (monotonic_ns() - wait.started) * 1e-9
    return _wait_for_raw(lock, max(timeout - elapsed, 0.0))


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
