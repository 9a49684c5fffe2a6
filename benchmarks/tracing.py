"""Cost of tracing: starting threads in a span, and locking with short waits, while spans are built.

The spans go to a tracer provider of the SDK that samples all of them and keeps none. Spans are built during the turns
of both sides and so cost both. The work of a thread itself counts for its own side.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Iterator
from contextlib import contextmanager

from thread._backend import core

from ._harness import OURS, THEIRS, compare, loop
from ._promises import CALIBRATING, Measured, Row, Unmeasurable, at_most
from ._script import main
from .thread_start import side

OWN_THREADS = 2
"""Number of our own threads: the exporter's worker, and the thread that drains the event buffer."""


@contextmanager
def tracing() -> Iterator[None]:
    """Run the block in a span, while spans are exported."""
    if importlib.util.find_spec("opentelemetry.sdk") is None:
        raise Unmeasurable("opentelemetry-sdk is not installed")
    from opentelemetry.sdk.trace import TracerProvider

    from thread import telemetry
    from thread_exporters.spans import SpansExporter

    provider = TracerProvider(shutdown_on_exit=False)
    if not CALIBRATING:
        telemetry.start(SpansExporter(provider), export_interval=0.1)
        # The threads of the benchmark are waited for by how many there are.
        while core.untracked_count() < OWN_THREADS:
            time.sleep(0.001)
    with provider.get_tracer(__name__).start_as_current_span("benchmark"):
        yield
    telemetry.stop()


def thread_start() -> Measured:
    with tracing():
        return compare(side(OURS), side(THEIRS), seconds=6, turn=0.02).times


def uncontended() -> Measured:
    statement = "with lock: pass"
    traced = OURS.allocate_lock()
    with tracing():
        return compare(loop(statement, lock=traced), loop(statement, lock=THEIRS.allocate_lock()), seconds=2).times


ROWS = (
    Row(
        "traced-thread-start",
        "starting and finishing a thread in a span, traced",
        "_thread.start_new_thread",
        at_most(1.3),
        thread_start,
    ),
    Row(
        "traced-with",
        "with lock: pass, traced",
        "the interpreter's lock",
        at_most({(3, 11): 0.6, (3, 15): 1.05}),
        uncontended,
    ),
)

if __name__ == "__main__":
    main(ROWS)
