"""Ground floor of the core: settings, clocks, internal errors, untracked threads, and the return to zero."""

from __future__ import annotations

import sys
import time
from _thread import get_ident
from collections.abc import Callable, Mapping
from functools import partial
from operator import index
from typing import Any, Final

from .._base import resets
from .._base.accumulator import Accumulator
from .._base.atomic import Counter
from .._base.interruptions import is_interruption
from .._base.uninterrupted import steps_of

# ---- clocks ----
# freezegun replaces functions of `time` by identity, in whichever module it finds them; time-machine changes some of
# them in place, among them the wall clock. Neither touches `clock_gettime_ns` for any other clock.

monotonic_ns: Final[Callable[[], int]] = partial(time.clock_gettime_ns, time.CLOCK_MONOTONIC)

clock: Final = steps_of(monotonic_ns)
"""The same at each step, read without a look for signals."""

_wall_ns: Final[Callable[[], int]] = partial(time.clock_gettime_ns, time.CLOCK_REALTIME)
_APART_NS: Final = 100_000_000

if sys.platform == "linux":
    # CLOCK_REALTIME_COARSE: the same clock at the last tick of the kernel, which comes 100 times a second or more.
    _coarse_ns: Final[Callable[[], int]] = partial(time.clock_gettime_ns, 5)

    def time_ns() -> int:
        """Nanoseconds since the epoch."""
        wall, coarse = _wall_ns(), _coarse_ns()
        return wall if abs(wall - coarse) < _APART_NS else coarse

else:
    time_ns = _wall_ns


# ---- settings ----


class Settings:
    """Current settings. The core reads them at every use, so that a change takes effect at once."""

    slow_wait_ns = 10_000_000
    hold_sampling = 64
    event_capacity = 4096
    stack_depth = 64
    listening = False
    tracing = False
    """True once a tracing library has told where it keeps the current span."""


_LEAST: Final = {"slow_wait_ns": 0, "hold_sampling": 0, "event_capacity": 1, "stack_depth": 1, "listening": 0}

_reconfigurations: list[Callable[[Mapping[str, int]], None]] = []


def on_configure(function: Callable[[Mapping[str, int]], None]) -> Callable[[Mapping[str, int]], None]:
    """Call a function with the names and values of changed settings."""
    _reconfigurations.append(function)
    return function


def configure(**settings: Any) -> None:
    """Change the given settings. Raises TypeError for an unknown name or type, ValueError for a bad value."""
    for name, value in settings.items():
        if name not in _LEAST:
            raise TypeError(f"configure() got an unexpected keyword argument '{name}'")
        if name != "listening" and index(value) < _LEAST[name]:
            raise ValueError(f"{name} must be at least {_LEAST[name]}, got {index(value)}")
    for name, value in settings.items():
        setattr(Settings, name, bool(value) if name == "listening" else index(value))
    for function in _reconfigurations:
        guarded(function, settings)


def listening() -> bool:
    """True if somebody fetches events."""
    return Settings.listening


# ---- untracked threads ----

_untracked: dict[int, int] = {}


def enter_untracked() -> None:
    """Treat what this thread creates and starts from now on as the telemetry's own, and do not observe it. Nests."""
    ident = get_ident()
    _untracked[ident] = _untracked.get(ident, 0) + 1


def leave_untracked(*exception: object) -> None:
    """Undo one `enter_untracked`. Takes the arguments of `__exit__`."""
    ident = get_ident()
    depth = _untracked.get(ident, 0) - 1
    if depth > 0:
        _untracked[ident] = depth
    else:
        _untracked.pop(ident, None)


def is_untracked() -> bool:
    """True while this thread works for the telemetry."""
    return get_ident() in _untracked


def untracked_count() -> int:
    """Number of threads that work for the telemetry at the moment."""
    return len(_untracked)


def forget_other_threads() -> None:
    """Forget, in a forked child, which threads of the parent were untracked."""
    me = get_ident()
    for ident in list(_untracked):
        if ident != me:
            del _untracked[ident]


# ---- internal errors ----

_internal_errors = Counter()


def count_internal_error() -> None:
    """Count an error inside the telemetry itself."""
    _internal_errors.add()


def is_internal_error(error: BaseException) -> bool:
    """Count an error inside the telemetry itself; return False for an exception of the program, which must reach it.

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
    """Take a step of the record. Its errors do not reach the program."""
    try:
        step(*arguments)
    except Exception as error:
        if not is_internal_error(error):
            raise


def internal_errors() -> int:
    """Number of errors inside the telemetry."""
    return _internal_errors.value


# ---- bounds ----

_capped = [False]


def note_cap() -> None:
    """Note that a table is full, so that something is counted under `other`."""
    _capped[0] = True


def sites_capped() -> bool:
    """True if something had to be counted under `other`."""
    return _capped[0]


def checked_name(name: object, whose: str) -> str | None:
    """The given name as an exact str, None if it is empty. Raises TypeError unless it is a str or None."""
    if name is not None and not isinstance(name, str):
        raise TypeError(f"a {whose}'s name must be a str or None, not {type(name).__name__}")
    # An instance of a subclass could run code of its own at every look-up.
    return None if name is None else str.__str__(name) or None


# ---- totals, and from zero ----

_resets: list[Callable[[], None]] = []
_accumulators: list[Accumulator] = []


def on_reset(function: Callable[[], None]) -> Callable[[], None]:
    """Register a function that returns a part of the core to zero."""
    _resets.append(function)
    return function


def accumulator(fold: Callable[[Any], None]) -> Accumulator:
    """A new accumulator, which `settle` folds and `reset` empties."""
    made = Accumulator(fold)
    _accumulators.append(made)
    return made


def settle() -> None:
    """Add to the totals what is recorded and not added yet."""
    for each in _accumulators:
        each.settle()


def reset() -> None:
    """Return every count to zero. Objects that exist stay valid."""
    for each in _accumulators:
        guarded(each.reset)
    for function in _resets:
        guarded(function)
    guarded(resets.reset)


on_reset(_internal_errors.reset)
