"""The interpreter's warning of a fork with several threads, suppressed if all but the forking one are ours.

Our threads are gone during the fork, but some versions count them when they are back, and a thread in the middle of a
call to an exporter cannot leave in time. The program would be warned of threads that it did not start, and under `-W
error` it would get an exception that it cannot avoid.
"""

from __future__ import annotations

import os
import sys

from .thread_counts import company

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final


class _Pattern:
    """Stand-in for a pattern in a filter of `warnings`: matches once, and only if the other threads are ours."""

    def match(self, text: str) -> bool:
        """True for the warning of a fork of this process if its other threads are ours."""
        if not text.startswith(f"This process (pid={os.getpid()}) is multi-threaded") or company().others:
            return False
        restore()
        return True


_FILTER: Final = ("ignore", _Pattern(), DeprecationWarning, None, 0)


def suppress() -> None:
    """Suppress the warning for this fork."""
    filters = _filters()
    if sys.version_info >= (3, 12) and filters is not None and not _is_in(filters):
        # Inserted by hand: `warnings.filterwarnings` also makes the interpreter forget its earlier warnings.
        filters.insert(0, _FILTER)


def restore() -> None:
    """Allow the warning again."""
    filters = _filters()
    if filters is not None and _is_in(filters):
        filters.remove(_FILTER)


def _is_in(filters: list[Any]) -> bool:
    return any(each is _FILTER for each in filters)


def _filters() -> list[Any] | None:
    module = sys.modules.get("warnings") or sys.modules.get("_warnings")
    return getattr(module, "filters", None)
