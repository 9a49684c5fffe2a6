"""What can be set, and the rules that every value obeys, wherever it comes from."""

from __future__ import annotations

from _thread import TIMEOUT_MAX
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Final, NamedTuple, TypedDict, cast


class SettingsChange(TypedDict, total=False):
    """The keyword arguments of `start` and `configure`; see `Settings` for what they mean."""

    slow_wait: float
    hold_sampling: int
    export_interval: float
    export_timeout: float
    event_capacity: int
    stack_depth: int


class _Rule(NamedTuple):
    """The values that a setting can take, and the environment variable that it is read from."""

    type: type[int] | type[float]
    least: float
    most: float
    meaning: str
    variable: str
    unit: float = 1.0
    """What the variable counts in, as a multiple of what the setting counts in."""

    def check(self, name: str, value: object) -> None:
        wanted = (int, float) if self.type is float else int
        if isinstance(value, bool) or not isinstance(value, wanted):
            raise TypeError(f"{name}: expected {self.meaning}, got {value!r}")
        if not self.least <= value <= self.most:
            raise ValueError(f"{name}: expected {self.meaning}, got {value!r}")


_MOST_SECONDS: Final = TIMEOUT_MAX / 2

_RULES: Final = {
    "slow_wait": _Rule(
        float, 0.0, _MOST_SECONDS, "a number of seconds, at least 0", "THREAD_TELEMETRY_SLOW_WAIT_MS", 1e-3
    ),
    "hold_sampling": _Rule(
        int, 0, 2**31 - 1, "a whole number, 0 for no acquisition or n for one in n", "THREAD_TELEMETRY_HOLD_SAMPLING"
    ),
    "export_interval": _Rule(
        float, 0.001, _MOST_SECONDS, "a number of seconds, at least 0.001", "THREAD_TELEMETRY_EXPORT_INTERVAL"
    ),
    "export_timeout": _Rule(
        float, 0.001, _MOST_SECONDS, "a number of seconds, at least 0.001", "THREAD_TELEMETRY_EXPORT_TIMEOUT"
    ),
    "event_capacity": _Rule(int, 1, 1_000_000, "a whole number from 1 to 1,000,000", "THREAD_TELEMETRY_EVENT_CAPACITY"),
    "stack_depth": _Rule(int, 1, 1_000, "a whole number from 1 to 1,000", "THREAD_TELEMETRY_STACK_DEPTH"),
}


_TIMEOUT_OF_STOP: Final = _Rule(float, 0.0, _MOST_SECONDS, "a number of seconds, at least 0", "")


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

    def __post_init__(self) -> None:
        for name, rule in _RULES.items():
            rule.check(name, getattr(self, name))

    def changed(self, changes: SettingsChange) -> Settings:
        """A copy with some settings changed. Raises TypeError for one that does not exist."""
        for name in changes:
            if name not in _RULES:
                known = ", ".join(field.name for field in fields(self))
                raise TypeError(f"unknown setting {name!r}: expected one of {known}")
        return replace(self, **changes)


def changes_from(environment: Mapping[str, str]) -> tuple[SettingsChange, list[str]]:
    """The settings that environment variables ask for, and one line for each variable that has to be ignored.

    An empty variable counts as absent.
    """
    changes: dict[str, float] = {}
    complaints = []
    for name, rule in _RULES.items():
        text = environment.get(rule.variable, "").strip()
        if text:
            try:
                changes[name] = _parsed(name, rule, text)
            except ValueError:
                complaints.append(_complaint(name, rule, text))
    return cast("SettingsChange", changes), complaints


def _parsed(name: str, rule: _Rule, text: str) -> float:
    value = int(text) if rule.type is int else float(text) * rule.unit
    rule.check(name, value)
    return value


def _complaint(name: str, rule: _Rule, text: str) -> str:
    expected = rule.meaning.replace("seconds", "milliseconds") if rule.unit == 1e-3 else rule.meaning
    default = getattr(Settings(), name) / rule.unit
    return f"{rule.variable}: expected {expected}, got {text!r}; the default {default:g} is used"
