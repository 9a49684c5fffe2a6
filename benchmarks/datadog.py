"""Datadog's lock profiler, which captures one event in a hundred unless told otherwise."""

from __future__ import annotations

import importlib
import threading
from typing import Any

from ._harness import OURS, compare, loop
from ._promises import CALIBRATING, Measured, Row, Unmeasurable, at_most
from ._script import main

STATEMENT = "with lock: pass"


def measure() -> Measured:
    collector = lock_collector()
    with collector:
        theirs = threading.Lock()
        if type(theirs).__module__.partition(".")[0] != "ddtrace":
            raise Unmeasurable(f"ddtrace did not take threading.Lock over, which made a {type(theirs).__name__}")
        ours = threading.Lock() if CALIBRATING else OURS.allocate_lock()
        measured = compare(loop(STATEMENT, lock=ours), loop(STATEMENT, lock=theirs), seconds=3).times
    version = importlib.import_module("ddtrace").__version__
    return Measured(measured.values, f"{measured.detail}; ddtrace {version}, {collector.capture_pct:g} % captured")


def lock_collector() -> Any:
    """What its profiler puts into `threading.Lock`, with all that this part needs and none of the others."""
    try:
        ddup = importlib.import_module("ddtrace.internal.datadog.profiling.ddup")
        collectors = importlib.import_module("ddtrace.profiling.collector.threading")
    except ImportError as error:
        raise Unmeasurable(f"ddtrace cannot be imported: {error}") from error
    if not ddup.is_available:
        raise Unmeasurable(f"ddtrace's profiler does not work here: {ddup.failure_msg}")
    ddup.config(service="benchmarks")
    ddup.start()
    return collectors.ThreadingLockCollector()


ROWS = (Row("datadog", STATEMENT, "ddtrace's lock profiler", at_most(0.12), measure),)

if __name__ == "__main__":
    main(ROWS)
