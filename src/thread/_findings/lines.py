"""One line for a finding: the kind, how sure it is, for how long, the places, the numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Part:
    """Thread in a finding: where it is, what it holds, what it wants."""

    place: str
    """Function and line, as in `transfer (bank.py:8)`."""
    holds: Sequence[str] = ()
    wants: str = ""

    def __str__(self) -> str:
        said = [f"holds {_listed(self.holds)}"] if self.holds else []
        said += [f"wants {self.wants}"] if self.wants else []
        return f"{self.place} {', '.join(said)}" if said else self.place


def first_line(kind: str, certainty: str, since: float | None, summary: str) -> str:
    """Return the line that stands for a finding: `DEADLOCK  certain, for 3.8 s: …`.

    `since` is in seconds, None where it is not known.
    """
    age = "" if since is None else f", for {duration(since)}"
    return f"{kind.replace('_', ' ').upper()}  {certainty}{age}: {summary}"


def ring(parts: Sequence[Part]) -> str:
    """Return what the threads of a deadlock hold and want, one after the other."""
    return "; ".join(str(part) for part in parts)


def duration(seconds: float) -> str:
    """Return a time as a person would say it: `40 ms`, `3.8 s`, `12 min`, `5 h`."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 100:
        return f"{seconds:.1f} s"
    if seconds < 100 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h"


def _listed(names: Sequence[str]) -> str:
    return " and ".join(names) if len(names) < 3 else f"{', '.join(names[:-1])} and {names[-1]}"
