"""The bounded buffer between the threads that are observed and the one that drains it."""

from __future__ import annotations

from _thread import allocate_lock
from collections import deque
from typing import Any

from .._base.atomic import Counter
from ._runtime import Settings, on_configure, on_reset

_buffer: deque[tuple[Any, ...]] = deque()
_dropped = Counter()
_wakeup = [allocate_lock()]
_wakeup[0].acquire()


def push_event(event: tuple[Any, ...], /) -> None:
    """Buffer an event, or count it as dropped. Never waits. Raises TypeError unless it is a tuple."""
    if not isinstance(event, tuple):
        raise TypeError(f"an event must be a tuple, not {type(event).__name__}")
    if len(_buffer) >= Settings.event_capacity:
        _dropped.add()
        return
    _buffer.append(event)
    wake()


def take_events() -> list[Any]:
    """Empty the buffer. Returns rows of `EVENT_ROWS`, oldest first."""
    events = []
    for _ in range(len(_buffer)):
        try:
            events.append(_buffer.popleft())
        except IndexError:
            break
    return events


def dropped_events() -> int:
    """Number of events that found the buffer full, or had to leave when it shrank."""
    return _dropped.value


def wait_for_events(timeout: float, /) -> bool:
    """Sleep until an event comes, somebody calls `wake`, or `timeout` seconds are over. True if there is an event."""
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
def _set_capacity(_: object) -> None:
    """Drop and count the oldest events that no longer fit."""
    while len(_buffer) > Settings.event_capacity:
        _buffer.popleft()
        _dropped.add()


@on_reset
def _zero() -> None:
    _buffer.clear()
    _dropped.reset()
    _wakeup[0].acquire(False)


def renew_wakeup() -> None:
    """Make the lock of `wait_for_events` anew in a forked child: a thread of the parent may sleep in the old one."""
    _wakeup[0] = allocate_lock()
    _wakeup[0].acquire()
