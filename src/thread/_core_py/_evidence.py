"""The record of a wait, and the evidence of a slow one: both stacks, taken while the wait lasts."""

from __future__ import annotations

from _thread import get_native_id
from types import FrameType
from typing import NamedTuple, Protocol

from .._base.buckets import bucket_index
from .._inspection.naming import GIL_SITE, UNKNOWN_SITE, RawSite
from .._rows import SlowWaitRow
from ._blame import blame_of
from ._events import push_event
from ._frames import frame_of_program
from ._identities import Identity
from ._runtime import Settings, accumulator, is_untracked
from ._sites import stack_of
from ._spans import current_span
from ._tasks import current_task


class WaiterEvidence(NamedTuple):
    """Evidence of the thread that waits."""

    stack: tuple[RawSite, ...]
    waiters: int
    task: str | None
    span: object


class OwnerEvidence(NamedTuple):
    """Evidence of the thread that has the lock."""

    ident: int
    stack: tuple[RawSite, ...]
    site: RawSite
    span: object


class Recorded(Protocol):
    """A waiter at its end."""

    identity: Identity
    ident: int
    started: int
    acquire_site: RawSite
    evidence: WaiterEvidence | None
    owner_evidence: OwnerEvidence | None


def is_wanted() -> bool:
    """True if this thread is to give evidence."""
    return Settings.listening and not is_untracked()


def of_waiter(waiters: int) -> WaiterEvidence:
    """Evidence of this thread, with the number of waiters."""
    return WaiterEvidence(stack_of(frame_of_program()), waiters, current_task(), current_span())


def of_owner(owner: int, frame: FrameType | None, site: RawSite, span: object) -> OwnerEvidence:
    """Evidence of the thread that is in `frame`."""
    return OwnerEvidence(owner, stack_of(frame), site, span)


def record(waiter: Recorded, parts: dict[RawSite, int], outcome: str, duration: int) -> None:
    """Add a wait that this thread ends now, and report it if it was a slow one."""
    _finished.add((waiter.identity, outcome, duration, waiter.acquire_site, list(parts.items())))
    if waiter.evidence is not None:
        push_event(_slow_wait(waiter, waiter.evidence, parts, outcome, duration))


FinishedWait = tuple[Identity, str, int, RawSite, list[tuple[RawSite, int]]]
"""Identity, outcome, duration, acquire site, and the nanoseconds of each owner site."""


def _fold(wait: FinishedWait) -> None:
    identity, outcome, duration, acquire_site, parts = wait
    while parts:
        owner_site, nanoseconds = parts[-1]
        blame = blame_of(identity, acquire_site, owner_site)
        blame.count += 1
        blame.waited_ns += nanoseconds
        # Gone before anything can interrupt, so that what is folded anew lacks what was added already.
        parts.pop()
    bucket = bucket_index(duration)
    identity.wait.put(duration, bucket)
    identity.contentions += outcome == "acquired"
    identity.timeouts += outcome == "timed out"


_finished = accumulator(_fold)


def _slow_wait(
    waiter: Recorded, evidence: WaiterEvidence, parts: dict[RawSite, int], outcome: str, duration: int
) -> SlowWaitRow:
    owner = waiter.owner_evidence or OwnerEvidence(0, (), _most_to_blame(parts), None)
    return SlowWaitRow(
        event="slow_wait",
        lock=waiter.identity.name,
        kind=waiter.identity.kind,
        location=waiter.identity.location,
        ident=waiter.ident,
        native_id=get_native_id(),
        acquire_stack=evidence.stack,
        acquire_site=waiter.acquire_site,
        owner_ident=owner.ident,
        owner_stack=owner.stack,
        owner_site=owner.site,
        waiters=evidence.waiters,
        task=evidence.task,
        span=evidence.span,
        owner_span=owner.span,
        started_ns=waiter.started,
        duration_ns=duration,
        # In Python, a thread gets the lock and the GIL in one step: the wait for the GIL is unknown.
        gil_wait_ns=None,
        outcome=outcome,
    )


def _most_to_blame(parts: dict[RawSite, int]) -> RawSite:
    """The site with the largest part of a wait for many owners, each of which had the lock for a short time."""
    owners = [site for site in parts if site is not GIL_SITE]
    return max(owners, key=parts.__getitem__, default=UNKNOWN_SITE)
