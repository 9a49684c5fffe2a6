"""The arguments of `acquire(blocking=True, timeout=-1)`."""

from __future__ import annotations

import _thread
from typing import Any

from ._waits import FOREVER

_raw_allocate = _thread.allocate_lock


def checked_timeout(blocking: Any, timeout: Any) -> float | None:
    """The time-out in seconds, FOREVER, or None for a mere try; bad arguments raise what the interpreter raises."""
    if timeout == -1 and blocking is True:
        return FOREVER
    _raw_allocate().acquire(blocking, timeout)
    if not blocking or timeout == 0:
        return None
    return FOREVER if timeout < 0 else float(timeout)
