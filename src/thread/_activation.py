"""Observation from the start of the interpreter, for processes that others start: `THREAD_TELEMETRY=1`.

Imported by a .pth file in site-packages where that variable is set, before the first line of the program. Nothing is
raised into the start of the interpreter: what goes wrong is one line on stderr, and the program goes on.
"""

from __future__ import annotations

import _thread
import os
import sys
from typing import Final

SWITCH: Final = "THREAD_TELEMETRY"
EXPORTERS: Final = "THREAD_TELEMETRY_EXPORTERS"
"""Names separated by commas, `none` to record only. Without it: prometheus."""

_ON: Final = frozenset({"1", "true", "yes", "on"})
_OFF: Final = frozenset({"", "0", "false", "no", "off"})


def activate() -> None:
    """Observe this process and start exporters, as the environment says."""
    # `python -I` and `-E` ask not to be told anything by the environment.
    if sys.flags.ignore_environment or not _in_main_interpreter():
        return
    switch = os.environ.get(SWITCH, "").strip().lower()
    if switch in _OFF:
        return
    if switch not in _ON:
        _say(f"{SWITCH}: expected 1 or 0, got {os.environ[SWITCH]!r}; nothing is observed")
        return
    try:
        _observe()
    except Exception as error:
        _say(f"{SWITCH}: {type(error).__name__}: {error}")


def _observe() -> None:
    from . import telemetry
    from ._recorder import recorder

    telemetry.instrument()
    for name in os.environ.get(EXPORTERS, "prometheus").split(","):
        name = name.strip()
        if name in ("", "none"):
            continue
        try:
            recorder.add(name, telemetry.exporter(name))
        except Exception as error:
            _say(f"{EXPORTERS}: the exporter {name!r} cannot be started: {error}")


def _in_main_interpreter() -> bool:
    if sys.version_info >= (3, 12):
        return bool(_thread._is_main_interpreter())  # type: ignore[attr-defined]
    interpreters = __import__("_xxsubinterpreters")
    return bool(interpreters.get_current() == interpreters.get_main())


def _say(line: str) -> None:
    if sys.stderr is not None:
        sys.stderr.write(f"thread: {line}\n")


activate()
