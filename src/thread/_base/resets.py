"""What starts from zero in a child after fork, beside what the core itself has counted."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


_resets: list[Callable[[], object]] = []


def on_reset(function: Callable[[], object]) -> Callable[[], object]:
    """Register what makes a part of the telemetry forget everything."""
    _resets.append(function)
    return function


def reset() -> None:
    """Called by the core when it returns its own counts to zero."""
    for function in _resets:
        function()
