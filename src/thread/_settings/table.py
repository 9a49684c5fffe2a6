"""The table of settings: type, default, range, environment variable and help of each.

Imported by every observed process at its start, so it imports next to nothing.
"""

from __future__ import annotations

from _thread import TIMEOUT_MAX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Final


class Setting:
    """One setting: its default, the values that it can take, and its environment variable."""

    __slots__ = ("default", "expected", "help", "least", "most", "name", "type", "unit", "variable", "variable_unit")

    def __init__(
        self,
        name: str,
        type: type[int] | type[float] | type[bool],
        default: float,
        *,
        help: str,
        variable: str,
        least: float = 0,
        most: float = 1,
        expected: str = "True or False",
        unit: str = "",
        variable_unit: str = "",
    ) -> None:
        self.name = name
        self.type = type
        # Any: fields of `Settings` have narrower types.
        self.default: Any = default
        self.help = help
        """One line without a full stop, for `--help` and the documentation."""
        self.variable = variable
        self.least = least
        self.most = most
        self.expected = expected
        """The values that it can take, as error messages name them."""
        self.unit = unit
        self.variable_unit = variable_unit or unit

    def check(self, value: object) -> None:
        """Raise TypeError or ValueError unless it can take this value."""
        wanted = (int, float) if self.type is float else self.type
        if isinstance(value, bool) is not (self.type is bool) or not isinstance(value, wanted):
            raise TypeError(f"{self.name}: expected {self.expected}, got {value!r}")
        if not self.least <= value <= self.most:
            raise ValueError(f"{self.name}: expected {self.expected}, got {value!r}")

    @property
    def scale(self) -> float:
        """The unit of the variable, in units of the setting."""
        return 1e-3 if (self.unit, self.variable_unit) == ("s", "ms") else 1.0

    @property
    def default_of_variable(self) -> str:
        """The default as the variable would have it."""
        return f"{self.default / self.scale:g}"


MOST_SECONDS: Final = TIMEOUT_MAX / 2

_ROWS: Final = (
    Setting(
        "slow_wait",
        float,
        0.010,
        help="keep waits longer than this, with the stacks of both sides",
        variable="THREAD_TELEMETRY_SLOW_WAIT_MS",
        most=MOST_SECONDS,
        expected="a number of seconds, at least 0",
        unit="s",
        variable_unit="ms",
    ),
    Setting(
        "hold_sampling",
        int,
        64,
        help="time the hold of one in N acquisitions; 1: every hold, 0: none",
        variable="THREAD_TELEMETRY_HOLD_SAMPLING",
        most=2**31 - 1,
        expected="a whole number, 0 for no acquisition or n for one in n",
    ),
    Setting(
        "export_interval",
        float,
        10.0,
        help="time between two exports",
        variable="THREAD_TELEMETRY_EXPORT_INTERVAL",
        least=0.001,
        most=MOST_SECONDS,
        expected="a number of seconds, at least 0.001",
        unit="s",
    ),
    Setting(
        "export_timeout",
        float,
        5.0,
        help="time after which an exporter counts as hung",
        variable="THREAD_TELEMETRY_EXPORT_TIMEOUT",
        least=0.001,
        most=MOST_SECONDS,
        expected="a number of seconds, at least 0.001",
        unit="s",
    ),
    Setting(
        "event_capacity",
        int,
        4096,
        help="events kept until they are exported; more are dropped and counted",
        variable="THREAD_TELEMETRY_EVENT_CAPACITY",
        least=1,
        most=1_000_000,
        expected="a whole number from 1 to 1,000,000",
    ),
    Setting(
        "stack_depth",
        int,
        64,
        help="frames kept of each stack",
        variable="THREAD_TELEMETRY_STACK_DEPTH",
        least=1,
        most=1_000,
        expected="a whole number from 1 to 1,000",
    ),
    Setting(
        "exception_details",
        bool,
        True,
        help="0: send no exception messages and no source lines",
        variable="THREAD_TELEMETRY_EXCEPTION_DETAILS",
    ),
)

SETTINGS: Final = {each.name: each for each in _ROWS}


def for_core(values: Mapping[str, Any]) -> dict[str, int]:
    """Keyword arguments of `core.configure` for these settings; the default for each that is missing."""
    found = {name: values.get(name, setting.default) for name, setting in SETTINGS.items()}
    return {
        "slow_wait_ns": round(found["slow_wait"] * 1e9),
        "hold_sampling": found["hold_sampling"],
        "event_capacity": found["event_capacity"],
        "stack_depth": found["stack_depth"],
    }
