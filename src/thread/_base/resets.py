"""Parts outside the core that start from zero when the core does: after a fork, in the child."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


_resets: list[Callable[[], object]] = []


def on_reset(function: Callable[[], object]) -> Callable[[], object]:
    """Register a function that clears one part of the telemetry."""
    _resets.append(function)
    return function


def reset() -> None:
    """Clear every part. The core calls this when it sets its own counts to zero."""
    for function in _resets:
        function()
