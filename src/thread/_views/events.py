"""Frozen events: single occurrences, given to exporters beside the snapshot.

Times are seconds since the Unix epoch, durations are seconds. A stack is a tuple of sites, innermost first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from .snapshot import Site

Stack: TypeAlias = tuple[Site, ...]
Outcome: TypeAlias = Literal["returned", "exited", "raised"]
WaitOutcome: TypeAlias = Literal["acquired", "timed out", "interrupted"]


@dataclass(frozen=True, slots=True)
class SpanContext:
    """The span of a trace, as OpenTelemetry identifies it. Keeps nothing of the span alive."""

    trace_id: int
    """128 bits."""
    span_id: int
    """64 bits."""
    trace_flags: int = 0
    """Bit 0: the trace is sampled."""
    trace_state: tuple[tuple[str, str], ...] = ()
    """Additions of tracing systems, in W3C's order."""

    @property
    def is_sampled(self) -> bool:
        """True if the trace is recorded."""
        return bool(self.trace_flags & 1)


@dataclass(frozen=True, slots=True)
class ThreadFinished:
    """The end of a thread."""

    ident: int
    native_id: int
    target: str
    starter: Site
    """Site that started the thread."""
    requested_at: float
    start_delay: float
    """From the request to start until the function was entered."""
    lifetime: float
    cpu_time: float
    outcome: Outcome
    """`returned`, `exited` by SystemExit, or `raised` an exception that nobody handled."""
    starter_span: SpanContext | None = None
    """The span in which the thread was started; None without one, or while nothing traces."""
    span: SpanContext | None = None
    """The span of this thread in the trace of its starter, and the parent of spans inside the thread. None without a
    starter's span, and for a thread that serves many, such as a worker of an executor."""
    span_was_read: bool = False
    """True if somebody in the thread asked for that span: other spans may have it as their parent."""
    left_trace_at: float | None = None
    """Time at which the thread left the trace of its starter, since the starter's span had ended. None if never."""


@dataclass(frozen=True, slots=True)
class SlowWait:
    """A wait for a lock that took longer than `slow_wait`. Evidence was taken while the thread was still waiting.

    The owner is the thread that kept the lock for the longest part of the wait. It was seen while it held the lock or,
    if nobody could look, as it gave the lock back. If each owner held it for less than `slow_wait`, the owner is one of
    those seen. If none was seen, it is 0 with an empty stack, and its site is the one with the largest share.

    A wait for a condition, an event or a queue counts too if it is in a span, or for an object that a library made,
    such as a connection pool. Nobody holds those: `owner_ident` and `waiters` are 0, and `gil_wait` is None.
    """

    lock: str
    """Name of the object waited for."""
    kind: str
    """`lock`, `rlock`, `semaphore`, `bounded_semaphore`; `condition`, `event`, `queue`."""
    location: str
    ident: int
    """The waiting thread."""
    native_id: int
    acquire_stack: Stack
    """Stack of that thread, innermost first."""
    acquire_site: Site
    """The site of that stack that the wait is charged to: the innermost outside the standard library."""
    owner_ident: int
    """The thread that kept the lock for the longest part of the wait, 0 if none was seen."""
    owner_stack: Stack
    """Stack of that owner, innermost first; empty if it has no Python frames."""
    owner_site: Site
    """Site of that owner, or the last site at which it was seen before."""
    waiters: int
    """Number of threads that waited for this lock at that moment, this one included."""
    started_at: float
    duration: float
    gil_wait: float | None
    """Part of `duration` in which the lock was free but the GIL was not. None if unknown."""
    outcome: WaitOutcome
    task: str | None = None
    """The asyncio task whose event loop was held up, empty if it ran none; None if no loop ran in this thread."""
    span: SpanContext | None = None
    """The span that the waiting thread was in; None without one, or while nothing traces."""
    owner_span: SpanContext | None = None
    """The span that the owner was in."""

    @property
    def blocked_event_loop(self) -> bool:
        """True if an asyncio event loop ran in the waiting thread, so that all its tasks waited too."""
        return self.task is not None


@dataclass(frozen=True, slots=True)
class UnhandledException:
    """An exception that nobody handled and that ended a thread, or a task in an executor."""

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
    source: Literal["thread", "future"] = "thread"
    """`thread`: it ended a thread. `future`: it ended a task, whose future was dropped before anybody looked at it."""
    span: SpanContext | None = None
    """The span that the exception was raised in; None without one, or while nothing traces."""


Event: TypeAlias = ThreadFinished | SlowWait | UnhandledException
