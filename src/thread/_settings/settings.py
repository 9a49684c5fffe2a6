"""`Settings`, as users see them."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Final, TypedDict

from .table import MOST_SECONDS, SETTINGS, Setting


class SettingsChange(TypedDict, total=False):
    """The keyword arguments of `start` and `configure`; `Settings` explains them."""

    slow_wait: float
    hold_sampling: int
    export_interval: float
    export_timeout: float
    event_capacity: int
    stack_depth: int
    exception_details: bool


_TIMEOUT: Final = Setting(
    "timeout", float, 0.0, help="", variable="", most=MOST_SECONDS, expected="a number of seconds, at least 0"
)


def check_timeout(timeout: float) -> float:
    """Return the time-out itself. Raises TypeError or ValueError unless it is a number of seconds."""
    _TIMEOUT.check(timeout)
    return timeout


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings: how much to record, and how often to export. Immutable; `configure` puts new ones in force.

    Raises TypeError or ValueError for a value that a setting cannot take.
    """

    slow_wait: float = SETTINGS["slow_wait"].default
    """Seconds. A longer wait becomes a `SlowWait` event, with the stacks of both sides.
    `THREAD_TELEMETRY_SLOW_WAIT_MS`, in milliseconds"""
    hold_sampling: int = SETTINGS["hold_sampling"].default
    """Time the hold of one in N acquisitions; 1: every hold, 0: none. `THREAD_TELEMETRY_HOLD_SAMPLING`"""
    export_interval: float = SETTINGS["export_interval"].default
    """Seconds between two exports. `THREAD_TELEMETRY_EXPORT_INTERVAL`"""
    export_timeout: float = SETTINGS["export_timeout"].default
    """Seconds after which an exporter counts as hung and `stop` gives up waiting. `THREAD_TELEMETRY_EXPORT_TIMEOUT`"""
    event_capacity: int = SETTINGS["event_capacity"].default
    """Events kept for an exporter until it takes them; more are dropped. `THREAD_TELEMETRY_EVENT_CAPACITY`"""
    stack_depth: int = SETTINGS["stack_depth"].default
    """Frames kept of each stack. `THREAD_TELEMETRY_STACK_DEPTH`"""
    exception_details: bool = SETTINGS["exception_details"].default
    """True to send and report messages and notes of exceptions, and source lines. Without them an exception is its type
    and the sites in its stack. `THREAD_TELEMETRY_EXCEPTION_DETAILS`, 1 or 0"""

    def __post_init__(self) -> None:
        for name, setting in SETTINGS.items():
            setting.check(getattr(self, name))

    def changed(self, changes: SettingsChange) -> Settings:
        """A copy with some settings changed. Raises TypeError for one that does not exist."""
        for name in changes:
            if name not in SETTINGS:
                known = ", ".join(field.name for field in fields(self))
                raise TypeError(f"unknown setting {name!r}: expected one of {known}")
        return replace(self, **changes)
