"""The finished dump: plain values, nothing of which refers to the memory that it was read from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FrameView:
    """One frame of a stack."""

    function: str
    file: str
    line: int | None


@dataclass(frozen=True, slots=True)
class OwnerView:
    """Thread that could end a wait, and where it took what is waited for."""

    thread: str
    native_id: int
    acquired: FrameView | None
    """None if it cannot be seen."""
    sure: bool
    """False if an `RLock` names it by its ident alone, which it may have got from a thread that ended."""


@dataclass(frozen=True, slots=True)
class WaitView:
    """Wait of a thread."""

    kind: str
    what: str
    """Name of the object."""
    since: float | None
    """Seconds that it has waited, at least; None if the kernel does not say."""
    timed: bool
    """True if it ends by itself, or that cannot be told."""
    owners: tuple[OwnerView, ...]
    owners_seen: bool
    """True if these are all that could end it."""


@dataclass(frozen=True, slots=True)
class HoldView:
    """Lock or permit that a thread holds."""

    kind: str
    what: str
    acquired: FrameView
    sure: bool


@dataclass(frozen=True, slots=True)
class ThreadView:
    """One thread."""

    name: str
    native_id: int
    ident: int
    state: str
    """`runs`, `sleeps`, `is stopped`, `has ended`, or `moves`: it was somewhere else each time it was read."""
    call: str
    """Function in C that it is in, empty if in none that can be told."""
    wait: WaitView | None
    holds: tuple[HoldView, ...]
    stack: tuple[FrameView, ...]
    complete: bool
    """True if that is the whole stack."""


@dataclass(frozen=True, slots=True)
class FindingView:
    """Verdict on the process."""

    kind: str
    certainty: str
    """`certain` or `likely`."""
    place: str
    """Function and line to look at first."""
    summary: str
    line: str
    """All of it in one line."""
    since: float | None
    """Seconds."""
    threads: tuple[int, ...]
    """Native ids of those in it, the guilty ones."""
    victims: tuple[int, ...]
    """Native ids of those that wait for them."""


@dataclass(frozen=True, slots=True)
class Dump:
    """One process as it was at one moment."""

    pid: int
    command: str
    python: str
    free_threaded: bool
    took: float
    """Seconds that it took to read."""
    paused: float | None
    """Seconds that the process was stopped for; None if it was not."""
    complete: bool
    """True if all its threads could be read."""
    findings: tuple[FindingView, ...]
    threads: tuple[ThreadView, ...]

    @property
    def is_hung(self) -> bool:
        """True if a finding is certain."""
        return any(finding.certainty == "certain" for finding in self.findings)
