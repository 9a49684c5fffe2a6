"""Subinterpreters of the process are not affected."""

from __future__ import annotations

import sys

import pytest
from programs import run

pytestmark = pytest.mark.skipif(sys.version_info < (3, 12), reason="subinterpreters of their own came with 3.12")

MODULE = "_interpreters" if sys.version_info >= (3, 13) else "_xxsubinterpreters"

# Python 3.12's executors crash in a subinterpreter even without us.
EXECUTOR = """
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(1) as pool:
    assert pool.submit(int).result() == 0
"""

INSIDE = (EXECUTOR if sys.version_info >= (3, 13) else "") + """
import threading, queue
jobs = queue.SimpleQueue()
jobs.put(1)
assert jobs.get() == 1
with threading.Lock(), threading.RLock(), threading.Semaphore():
    pass
try:
    import thread
except ImportError as error:
    assert "interpreter" in str(error) or "subinterpreters" in str(error), error
print("inside")
"""

PROGRAM = f"""
    import threading, queue
    from concurrent.futures import ThreadPoolExecutor
    from thread import telemetry
    telemetry.instrument()
    import {MODULE} as interpreters
    for _ in range(3):
        interpreter = interpreters.create()
        failure = interpreters.run_string(interpreter, {INSIDE!r})
        assert failure is None, failure
        interpreters.destroy(interpreter)
    with threading.Lock():
        print("outside", flush=True)
"""


@pytest.mark.parametrize("switch", ["0", "1"])
def test_an_interpreter_beside_an_observed_one_works(switch: str) -> None:
    finished = run(PROGRAM, THREAD_TELEMETRY=switch, THREAD_TELEMETRY_EXPORTERS="none")
    assert (finished.returncode, finished.stderr) == (0, "")
    assert sorted(finished.stdout.split()) == ["inside"] * 3 + ["outside"]
