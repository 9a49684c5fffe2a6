"""Settings and exporters as the environment of this process gives them."""

from __future__ import annotations

import os

from .._base.stderr import say
from .table import SETTINGS, Setting

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Final

EXPORTERS: Final = "THREAD_TELEMETRY_EXPORTERS"

EXPORTERS_OF_RUN: Final = ("prometheus", "console")
"""Default of `thread run`."""
EXPORTERS_OF_VARIABLE: Final = ("prometheus",)
"""Default of `THREAD_TELEMETRY=1`: the reports of many processes would mix with their output."""


def exporters_from_environment(default: Sequence[str]) -> tuple[str, ...]:
    """Names of the exporters to start."""
    return exporter_names(os.environ.get(EXPORTERS, ""), default)


def exporter_names(text: str, default: Sequence[str]) -> tuple[str, ...]:
    """Names separated by commas, each once; the default if there are none. `none` stands for no exporter."""
    names = dict.fromkeys(name.strip() for name in text.split(",") if name.strip()) or default
    return tuple(name for name in names if name != "none")


def settings_from_environment() -> dict[str, float]:
    """Settings that the environment of this process gives. Each bad value is one line on stderr, once."""
    changes, complaints = changes_from(os.environ)
    for complaint in complaints:
        # Not a warning: under `-W error` the program would not start.
        if complaint not in _said:
            _said.add(complaint)
            say(complaint)
    return changes


_said: Final[set[str]] = set()


def changes_from(environment: Mapping[str, str]) -> tuple[dict[str, float], list[str]]:
    """Settings that the variables give, and one line for each variable that is ignored.

    An empty variable counts as absent.
    """
    changes: dict[str, float] = {}
    complaints = []
    for name, setting in SETTINGS.items():
        text = environment.get(setting.variable, "").strip()
        if text:
            try:
                changes[name] = _parsed(setting, text)
            except ValueError:
                complaints.append(_complaint(setting, text))
    return changes, complaints


_TRUTHS: Final[dict[str, bool]] = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off"), False),
}


def _parsed(setting: Setting, text: str) -> float:
    value: float
    if setting.type is bool:
        if text.lower() not in _TRUTHS:
            raise ValueError
        value = _TRUTHS[text.lower()]
    else:
        value = int(text) if setting.type is int else float(text) * setting.scale
    setting.check(value)
    return value


def _complaint(setting: Setting, text: str) -> str:
    expected = "1 or 0" if setting.type is bool else setting.expected
    if setting.variable_unit == "ms":
        expected = expected.replace("seconds", "milliseconds")
    return f"{setting.variable}: expected {expected}, got {text!r}; using the default, {setting.default_of_variable}"
