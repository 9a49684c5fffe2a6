"""Frozen events: single things that happened, handed to exporters beside the snapshot.

Times are seconds since the Unix epoch, durations are seconds. A stack is a tuple of sites, innermost first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from ._snapshot import Site

Stack: TypeAlias = tuple[Site, ...]
Outcome: TypeAlias = Literal["returned", "exited", "raised"]
WaitOutcome: TypeAlias = Literal["acquired", "timed out", "interrupted"]


@dataclass(frozen=True, slots=True)
class ThreadFinished:
    """A thread came to its end."""

    ident: int
    native_id: int
    target: str
    starter: Site
    """Where the thread was started."""
    requested_at: float
    start_delay: float
    """From the request to start until the function was entered."""
    lifetime: float
    cpu_time: float
    outcome: Outcome
    """`returned`, `exited` by SystemExit, or `raised` an exception that nobody handled."""


@dataclass(frozen=True, slots=True)
class SlowWait:
    """A wait for a lock took longer than `slow_wait`. Evidence was taken while the thread was still waiting."""

    lock: str
    kind: str
    location: str
    ident: int
    """The waiting thread."""
    native_id: int
    acquire_stack: Stack
    """Where it waited, innermost first."""
    acquire_site: Site
    """The frame of that stack that the wait is charged to: the innermost outside the standard library."""
    owner_ident: int
    """The thread that held the lock, 0 if nobody did at that moment."""
    owner_stack: Stack
    """Where the owner was at that moment, innermost first; empty if it has no Python frames."""
    owner_site: Site
    waiters: int
    """How many threads were waiting for this lock at that moment, this one included."""
    started_at: float
    duration: float
    gil_wait: float | None
    """The part of `duration` in which the lock was to be had but the GIL was not; None where it cannot be told."""
    outcome: WaitOutcome


@dataclass(frozen=True, slots=True)
class UnhandledException:
    """An exception that nobody handled ended a thread."""

    type: str
    message: str
    target: str
    ident: int
    native_id: int
    at: float
    traceback: str
    """The full stack trace, as the interpreter prints it."""
    site: Site
    """The frame that raised."""


Event: TypeAlias = ThreadFinished | SlowWait | UnhandledException
