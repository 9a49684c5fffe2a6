"""Runs a program under ddtrace's lock profiler with its defaults, without its other parts: `datadog_run.py PROGRAM`.

Nothing is sent: the uploader of profiles is not started, and everything else that uses the network is turned off.
Uploading is work too, so this is kinder to ddtrace than its own command.
"""

from __future__ import annotations

import importlib
import os
import runpy
import sys
import threading
from typing import Any

NOTHING_ELSE = {
    "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
    "DD_REMOTE_CONFIGURATION_ENABLED": "false",
    "DD_TRACE_ENABLED": "false",
}
KINDS = ("Lock", "RLock", "Semaphore", "BoundedSemaphore", "Condition")


def lock_collectors() -> dict[str, Any]:
    """Return ddtrace's replacements in `threading`, by name. Raises ImportError if they do not work."""
    os.environ.update(NOTHING_ELSE)
    ddup = importlib.import_module("ddtrace.internal.datadog.profiling.ddup")
    collectors = importlib.import_module("ddtrace.profiling.collector.threading")
    if not ddup.is_available:
        raise ImportError(f"its profiler does not work here: {ddup.failure_msg}")
    ddup.config(service="benchmarks")
    ddup.start()
    # Earlier versions observe fewer kinds.
    found = {kind: getattr(collectors, f"Threading{kind}Collector", None) for kind in KINDS}
    return {kind: collector() for kind, collector in found.items() if collector is not None}


def is_profiled(lock: object) -> bool:
    """True if ddtrace made the lock."""
    return type(lock).__module__.partition(".")[0] == "ddtrace"


def main(program: str) -> None:
    try:
        collectors = lock_collectors()
    except ImportError as error:
        sys.exit(f"ddtrace cannot be used: {error}")
    for collector in collectors.values():
        collector.start()
    for kind in collectors:
        if not is_profiled(made := getattr(threading, kind)()):
            sys.exit(f"ddtrace did not replace threading.{kind}, which made a {type(made).__name__}")
    del sys.argv[0]
    runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1])
