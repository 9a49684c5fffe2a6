"""Makes events out of the tuples that the core buffered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from . import _clock
from ._backend import core
from ._events import Event, SlowWait, ThreadFinished, UnhandledException
from ._sites import Sites


def read_events() -> list[Event]:
    """The events recorded since the last call, oldest first. One that cannot be understood is counted as a fault."""
    raws = core.take_events()
    if raws:
        _clock.calibrate()
    sites = Sites()
    events: list[Event] = []
    for kind, *fields in raws:
        try:
            events.append(_EVENT_MAKERS[kind](sites, *fields))
        except Exception:
            core.count_fault()
    return events


def _slow_wait(
    sites: Sites,
    lock: str,
    kind: str,
    location: str,
    ident: int,
    native_id: int,
    acquire_stack: Any,
    acquire_site: Any,
    owner_ident: int,
    owner_stack: Any,
    owner_site: Any,
    waiters: int,
    started_ns: int,
    duration_ns: int,
    gil_wait_ns: int | None,
    outcome: Any,
) -> SlowWait:
    return SlowWait(
        lock=lock,
        kind=kind,
        location=location,
        ident=ident,
        native_id=native_id,
        acquire_stack=sites.stack(acquire_stack),
        acquire_site=sites[acquire_site],
        owner_ident=owner_ident,
        owner_stack=sites.stack(owner_stack),
        owner_site=sites[owner_site],
        waiters=waiters,
        started_at=_clock.unix_time(started_ns),
        duration=duration_ns / 1e9,
        gil_wait=None if gil_wait_ns is None else gil_wait_ns / 1e9,
        outcome=outcome,
    )


def _thread_finished(
    sites: Sites,
    ident: int,
    native_id: int,
    target: str,
    starter: Any,
    requested_ns: int,
    start_delay_ns: int,
    lifetime_ns: int,
    cpu_time_ns: int,
    outcome: Any,
) -> ThreadFinished:
    return ThreadFinished(
        ident=ident,
        native_id=native_id,
        target=target,
        starter=sites[starter],
        requested_at=_clock.unix_time(requested_ns),
        start_delay=start_delay_ns / 1e9,
        lifetime=lifetime_ns / 1e9,
        cpu_time=cpu_time_ns / 1e9,
        outcome=outcome,
    )


def _unhandled_exception(
    sites: Sites,
    type: str,
    message: str,
    target: str,
    ident: int,
    native_id: int,
    at_ns: int,
    traceback: str,
    site: Any,
) -> UnhandledException:
    return UnhandledException(
        type=type,
        message=message,
        target=target,
        ident=ident,
        native_id=native_id,
        at=_clock.unix_time(at_ns),
        traceback=traceback,
        site=sites[site],
    )


_EVENT_MAKERS: Final[dict[str, Callable[..., Event]]] = {
    "slow_wait": _slow_wait,
    "thread_finished": _thread_finished,
    "unhandled_exception": _unhandled_exception,
}
