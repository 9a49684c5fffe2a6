"""Memory and lines of the metrics page per creation site of locks."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import thread

from ._promises import CALIBRATING, Measured, Row, Unmeasurable
from ._script import main
from .reading import CONTENDED, contend, contended_page

PLACES, QUIET = 400, 100
"""Number of places, few enough that all rows together stay below the cap."""
_STATM = Path("/proc/self/statm")


def uncontended() -> Measured:
    return Measured((memory_of_each("uncontended", use),))


def contended() -> Measured:
    """Contend each lock once, with one pair of a waiting and an owning site."""
    # The first one pays for everything that they share.
    contend("first")
    return Measured((memory_of_each("contended", contend),))


def series_of_contended() -> Measured:
    page = contended_page()()
    lines = [line for line in page.splitlines() if b'python_lock_name="contended-' in line]
    return Measured((len(lines) / CONTENDED,), f"{sum(map(len, lines)) / CONTENDED / 1000:.1f} kB of text")


def series_of_uncontended() -> Measured:
    page = contended_page()
    kept = [use(f"quiet-{index}") for index in range(QUIET)]
    lines = [line for line in page().splitlines() if b'python_lock_name="quiet-' in line]
    return Measured((len(lines) / len(kept),))


def use(name: str) -> object:
    lock = thread.allocate_lock(name=name)
    with lock:
        return lock


def memory_of_each(kind: str, create: Callable[[str], object]) -> float:
    """Measure the growth of the process in bytes per place."""
    if CALIBRATING:
        raise Unmeasurable("the interpreter itself records nothing")
    if not _STATM.exists():
        raise Unmeasurable(f"there is no {_STATM}")
    before = resident()
    kept = [create(f"memory-{kind}-{index}") for index in range(PLACES)]
    grown = resident() - before
    return grown / len(kept)


def resident() -> int:
    return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGESIZE")


ROWS = (
    Row("place-memory", "memory of a place that makes locks", "–", None, uncontended, unit="bytes"),
    Row("contended-place-memory", "the same with a contended lock", "–", None, contended, unit="bytes"),
    Row("place-series", "lines of the page for such a place", "–", None, series_of_uncontended, unit="lines"),
    Row("contended-place-series", "the same with a contended lock", "–", None, series_of_contended, unit="lines"),
)

if __name__ == "__main__":
    main(ROWS)
