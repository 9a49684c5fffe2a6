"""What the whole core shares: settings, hidden threads, faults, and starting from zero after a fork."""

from __future__ import annotations

import os
from _thread import get_ident
from collections.abc import Callable, Mapping
from typing import Final

from .._base import resets
from .._base.atomic import Counter
from .._base.interruptions import is_interruption
from .._base.uninterrupted import steps_of
from ._clocks import monotonic_ns as monotonic_ns

clock: Final = steps_of(monotonic_ns)
"""The same at each step, read without a look for signals."""


class Settings:
    """Read by the core at every use, so that a change takes effect at once."""

    slow_wait_ns = 10_000_000
    hold_sampling = 64
    event_capacity = 4096
    stack_depth = 64
    listening = False
    tracing = False
    """Whether a tracing library has told where it keeps the current span."""


_zeroed: list[Callable[[], None]] = []
_forks: list[Callable[[], None]] = []
_reconfigurations: list[Callable[[Mapping[str, int]], None]] = []
_untracked: dict[int, int] = {}
_internal_errors = Counter()


def on_reset(function: Callable[[], None]) -> Callable[[], None]:
    """Register what returns a part of the core to zero."""
    _zeroed.append(function)
    return function


def on_fork(function: Callable[[], None]) -> Callable[[], None]:
    """Register what makes a forked child forget the threads of its parent, before it starts from zero."""
    _forks.append(function)
    return function


def on_configure(function: Callable[[Mapping[str, int]], None]) -> Callable[[Mapping[str, int]], None]:
    """Register what has to be told of changed settings, given as their names and values."""
    _reconfigurations.append(function)
    return function


def reset() -> None:
    """Return every count to zero. Objects that exist stay valid."""
    for function in _zeroed:
        guarded(function)
    guarded(resets.reset)


def _after_fork_in_child() -> None:
    for function in _forks:
        guarded(function)
    reset()


os.register_at_fork(after_in_child=_after_fork_in_child)


_LEAST = {"slow_wait_ns": 0, "hold_sampling": 0, "event_capacity": 1, "stack_depth": 1, "listening": 0}


def configure(**settings: int) -> None:
    """Change settings; only those given. Raises TypeError for an unknown name, ValueError for a bad value."""
    for name, value in settings.items():
        if name not in _LEAST:
            raise TypeError(f"configure() got an unexpected keyword argument '{name}'")
        if value < _LEAST[name]:
            raise ValueError(f"{name} must be at least {_LEAST[name]}, got {value}")
    for name, value in settings.items():
        setattr(Settings, name, bool(value) if name == "listening" else int(value))
    for function in _reconfigurations:
        guarded(function, settings)


def listening() -> bool:
    """Whether anybody fetches events."""
    return Settings.listening


def enter_untracked() -> None:
    """From now on, what this thread creates and starts is telemetry's own and not observed. Nests."""
    ident = get_ident()
    _untracked[ident] = _untracked.get(ident, 0) + 1


def leave_untracked(*exception: object) -> None:
    """Undo one `enter_untracked`. Takes what a context manager is told of its end."""
    ident = get_ident()
    depth = _untracked.get(ident, 0) - 1
    if depth > 0:
        _untracked[ident] = depth
    else:
        _untracked.pop(ident, None)


def is_untracked() -> bool:
    """Whether this thread works for the telemetry at the moment."""
    return get_ident() in _untracked


def untracked_count() -> int:
    """How many threads work for the telemetry at the moment."""
    return len(_untracked)


def count_internal_error() -> None:
    """Count an error inside the telemetry itself."""
    _internal_errors.add()


def is_internal_error(error: BaseException) -> bool:
    """Count an error inside the telemetry itself; False for what the program raised meanwhile, which has to reach it.

    except Exception as error:
        if not is_internal_error(error):
            raise
    """
    try:
        interrupts = is_interruption(error)
    except Exception:
        interrupts = False
    if interrupts:
        return False
    count_internal_error()
    return True


def guarded(step: Callable[..., object], *arguments: object) -> None:
    """A step of the record: its faults are not the program's."""
    try:
        step(*arguments)
    except Exception as error:
        if not is_internal_error(error):
            raise


def internal_errors() -> int:
    """How many errors happened inside the telemetry."""
    return _internal_errors.value


@on_fork
def _forget_other_threads() -> None:
    me = get_ident()
    for ident in list(_untracked):
        if ident != me:
            del _untracked[ident]


on_reset(_internal_errors.reset)
