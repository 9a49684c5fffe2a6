"""Datadog's lock profiler, which by default captures one event in a hundred."""

from __future__ import annotations

import importlib
import threading

from ._harness import OURS, compare, loop
from ._promises import CALIBRATING, Measured, Row, Unmeasurable, at_most
from ._script import main
from .datadog_run import is_profiled, lock_collectors

STATEMENT = "with lock: pass"


def measure() -> Measured:
    try:
        collector = lock_collectors()["Lock"]
    except ImportError as error:
        raise Unmeasurable(f"ddtrace cannot be used: {error}") from error
    with collector:
        theirs = threading.Lock()
        if not is_profiled(theirs):
            raise Unmeasurable(f"ddtrace did not replace threading.Lock, which made a {type(theirs).__name__}")
        ours = threading.Lock() if CALIBRATING else OURS.allocate_lock()
        measured = compare(loop(STATEMENT, lock=ours), loop(STATEMENT, lock=theirs), seconds=3).times
    version = importlib.import_module("ddtrace").__version__
    return Measured(measured.values, f"{measured.detail}; ddtrace {version}, {collector.capture_pct:g} % captured")


ROWS = (Row("datadog", STATEMENT, "ddtrace's lock profiler", at_most(0.12), measure),)

if __name__ == "__main__":
    main(ROWS)
