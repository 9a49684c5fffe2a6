"""Says nothing where the interpreter warns of a fork with several threads, if all but one of them are ours.

They are gone while it forks, but some versions count them when they are back, and one that is in the middle of a call
to an exporter cannot leave in time. The program would be told of threads that it did not start, and `-W error` would
make it an exception that it cannot avoid.
"""

from __future__ import annotations

import os
import sys

from .thread_counts import company

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final


class _Pattern:
    """In place of a compiled pattern in a filter of `warnings`: matches once, if it is true then."""

    def match(self, text: str) -> bool:
        """Whether this is the warning of a fork of this process, whose other threads are ours."""
        if not text.startswith(f"This process (pid={os.getpid()}) is multi-threaded") or company().others:
            return False
        restore()
        return True


_FILTER: Final = ("ignore", _Pattern(), DeprecationWarning, None, 0)


def suppress() -> None:
    """Have it say nothing for this fork."""
    filters = _filters()
    if sys.version_info >= (3, 12) and filters is not None and not _is_in(filters):
        # Put in by hand: `warnings.filterwarnings` also makes the interpreter forget what it has warned of already.
        filters.insert(0, _FILTER)


def restore() -> None:
    """Let it warn again."""
    filters = _filters()
    if filters is not None and _is_in(filters):
        filters.remove(_FILTER)


def _is_in(filters: list[Any]) -> bool:
    return any(each is _FILTER for each in filters)


def _filters() -> list[Any] | None:
    module = sys.modules.get("warnings") or sys.modules.get("_warnings")
    return getattr(module, "filters", None)
