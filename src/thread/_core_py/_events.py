"""The bounded buffer between the threads that are observed and the one that drains it."""

from __future__ import annotations

from _thread import allocate_lock
from collections import deque
from typing import Any

from .._base.atomic import Counter
from ._state import Settings, on_configure, on_fork, on_reset

_buffer: deque[tuple[Any, ...]] = deque()
_dropped = Counter()
_wakeup = [allocate_lock()]
_wakeup[0].acquire()


def push_event(event: tuple[Any, ...]) -> None:
    """Buffer an event, or count it as dropped. Never waits."""
    if len(_buffer) >= Settings.event_capacity:
        _dropped.add()
        return
    _buffer.append(event)
    wake()


def take_events() -> list[tuple[Any, ...]]:
    """Empty the buffer, oldest first."""
    events = []
    for _ in range(len(_buffer)):
        try:
            events.append(_buffer.popleft())
        except IndexError:
            break
    return events


def dropped_events() -> int:
    """How many events found the buffer full."""
    return _dropped.value


def wait_for_events(timeout: float) -> bool:
    """Sleep until there is an event, somebody calls `wake`, or the time is up. True if there is an event."""
    if not _buffer:
        _wakeup[0].acquire(timeout=max(timeout, 0.0))
    return bool(_buffer)


def wake() -> None:
    """End the sleep of `wait_for_events`, now or at its next call."""
    try:
        _wakeup[0].release()
    except RuntimeError:
        pass


@on_configure
def _drop_what_no_longer_fits(_: object) -> None:
    while len(_buffer) > Settings.event_capacity:
        _buffer.popleft()
        _dropped.add()


@on_reset
def _zero() -> None:
    _buffer.clear()
    _dropped.reset()
    _wakeup[0].acquire(False)


@on_fork
def _renew_wakeup() -> None:
    # A thread of the parent may have been asleep in the old one.
    _wakeup[0] = allocate_lock()
    _wakeup[0].acquire()
