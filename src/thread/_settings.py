"""What can be set."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Final, TypedDict

from ._setting_rules import MOST_SECONDS, RULES, Rule


class SettingsChange(TypedDict, total=False):
    """The keyword arguments of `start` and `configure`; see `Settings` for what they mean."""

    slow_wait: float
    hold_sampling: int
    export_interval: float
    export_timeout: float
    event_capacity: int
    stack_depth: int
    exception_details: bool


_TIMEOUT_OF_STOP: Final = Rule(float, 0.0, MOST_SECONDS, "a number of seconds, at least 0", "", 0.0)


def check_timeout(timeout: float) -> float:
    """The time-out itself. Raises TypeError or ValueError unless it is a number of seconds."""
    _TIMEOUT_OF_STOP.check("timeout", timeout)
    return timeout


@dataclass(frozen=True, slots=True)
class Settings:
    """How much is recorded and how often it is exported. Immutable; `configure` puts another one in force.

    Raises TypeError or ValueError for a value that a setting cannot take.
    """

    slow_wait: float = 0.010
    """A longer wait for a lock, in seconds, becomes a `SlowWait` event. `THREAD_TELEMETRY_SLOW_WAIT_MS`, in ms."""
    hold_sampling: int = 64
    """One acquisition in so many has its hold timed; 1 times each, 0 none. `THREAD_TELEMETRY_HOLD_SAMPLING`"""
    export_interval: float = 10.0
    """Seconds from one export to the next. `THREAD_TELEMETRY_EXPORT_INTERVAL`"""
    export_timeout: float = 5.0
    """Seconds after which an exporter counts as hung, and `stop` waits no longer. `THREAD_TELEMETRY_EXPORT_TIMEOUT`"""
    event_capacity: int = 4096
    """Events kept for an exporter until it takes them; more are dropped. `THREAD_TELEMETRY_EVENT_CAPACITY`"""
    stack_depth: int = 64
    """How many frames are kept of each stack. `THREAD_TELEMETRY_STACK_DEPTH`"""
    exception_details: bool = True
    """Whether messages and notes of exceptions, and lines of source, are in what is sent and reported. Without them an
    exception is its type and the places in its stack. `THREAD_TELEMETRY_EXCEPTION_DETAILS`, 1 or 0"""

    def __post_init__(self) -> None:
        for name, rule in RULES.items():
            rule.check(name, getattr(self, name))

    def changed(self, changes: SettingsChange) -> Settings:
        """A copy with some settings changed. Raises TypeError for one that does not exist."""
        for name in changes:
            if name not in RULES:
                known = ", ".join(field.name for field in fields(self))
                raise TypeError(f"unknown setting {name!r}: expected one of {known}")
        return replace(self, **changes)
