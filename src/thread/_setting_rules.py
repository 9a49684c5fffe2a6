"""The rules that every value of a setting obeys, wherever it comes from, and the environment variables."""

from __future__ import annotations

import os
from _thread import TIMEOUT_MAX

from ._base.stderr import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Final


class Rule:
    """The values that a setting can take, its default, and the environment variable that it is read from."""

    __slots__ = ("default", "least", "meaning", "most", "type", "unit", "variable")

    def __init__(
        self,
        type: type[int] | type[float] | type[bool],
        least: float,
        most: float,
        meaning: str,
        variable: str,
        default: float,
        unit: float = 1.0,
    ) -> None:
        self.type = type
        self.least = least
        self.most = most
        self.meaning = meaning
        self.variable = variable
        self.default = default
        self.unit = unit
        """What the variable counts in, as a multiple of what the setting counts in."""

    def check(self, name: str, value: object) -> None:
        """Raise TypeError or ValueError, which say what was expected and what came, unless it is such a value."""
        wanted = (int, float) if self.type is float else self.type
        if isinstance(value, bool) is not (self.type is bool) or not isinstance(value, wanted):
            raise TypeError(f"{name}: expected {self.meaning}, got {value!r}")
        if not self.least <= value <= self.most:
            raise ValueError(f"{name}: expected {self.meaning}, got {value!r}")


MOST_SECONDS: Final = TIMEOUT_MAX / 2

RULES: Final = {
    "slow_wait": Rule(
        float, 0.0, MOST_SECONDS, "a number of seconds, at least 0", "THREAD_TELEMETRY_SLOW_WAIT_MS", 0.010, 1e-3
    ),
    "hold_sampling": Rule(
        int,
        0,
        2**31 - 1,
        "a whole number, 0 for no acquisition or n for one in n",
        "THREAD_TELEMETRY_HOLD_SAMPLING",
        64,
    ),
    "export_interval": Rule(
        float, 0.001, MOST_SECONDS, "a number of seconds, at least 0.001", "THREAD_TELEMETRY_EXPORT_INTERVAL", 10.0
    ),
    "export_timeout": Rule(
        float, 0.001, MOST_SECONDS, "a number of seconds, at least 0.001", "THREAD_TELEMETRY_EXPORT_TIMEOUT", 5.0
    ),
    "event_capacity": Rule(
        int, 1, 1_000_000, "a whole number from 1 to 1,000,000", "THREAD_TELEMETRY_EVENT_CAPACITY", 4096
    ),
    "stack_depth": Rule(int, 1, 1_000, "a whole number from 1 to 1,000", "THREAD_TELEMETRY_STACK_DEPTH", 64),
    "exception_details": Rule(bool, 0, 1, "True or False", "THREAD_TELEMETRY_EXCEPTION_DETAILS", True),
}


def from_environment() -> dict[str, float]:
    """What the environment of this process asks for. What it says badly is a line on stderr, once."""
    changes, complaints = changes_from(os.environ)
    for complaint in complaints:
        # No warning: a program that makes errors of warnings would not come to its first line.
        if complaint not in _said:
            _said.add(complaint)
            say(complaint)
    return changes


_said: Final[set[str]] = set()


def changes_from(environment: Mapping[str, str]) -> tuple[dict[str, float], list[str]]:
    """The settings that environment variables ask for, and one line for each variable that has to be ignored.

    An empty variable counts as absent.
    """
    changes: dict[str, float] = {}
    complaints = []
    for name, rule in RULES.items():
        text = environment.get(rule.variable, "").strip()
        if text:
            try:
                changes[name] = _parsed(name, rule, text)
            except ValueError:
                complaints.append(_complaint(rule, text))
    return changes, complaints


_TRUTHS: Final[dict[str, bool]] = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off"), False),
}


def _parsed(name: str, rule: Rule, text: str) -> float:
    value: float
    if rule.type is bool:
        if text.lower() not in _TRUTHS:
            raise ValueError
        value = _TRUTHS[text.lower()]
    else:
        value = int(text) if rule.type is int else float(text) * rule.unit
    rule.check(name, value)
    return value


def _complaint(rule: Rule, text: str) -> str:
    expected = rule.meaning.replace("seconds", "milliseconds") if rule.unit == 1e-3 else rule.meaning
    expected = "1 or 0" if rule.type is bool else expected
    return f"{rule.variable}: expected {expected}, got {text!r}; the default {rule.default / rule.unit:g} is used"
