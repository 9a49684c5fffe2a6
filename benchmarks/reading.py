"""Reading recorded data: a snapshot of many locks, and a scrape of many contended ones."""

from __future__ import annotations

import _thread
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import thread
from thread import telemetry
from thread._backend import core

from ._harness import clock, undisturbed
from ._promises import CALIBRATING, Measured, Row, Unmeasurable, at_most
from ._script import main

LIVE = 100_000
CONTENDED = 1_000
SECONDS = 1.5


def snapshot() -> Measured:
    """Measure a snapshot with locks of a thousand places. With many more, the last would be counted together."""
    refuse_to_calibrate()
    locks = [thread.allocate_lock(name=f"live-{index % 1_000}") for index in range(LIVE)]
    with undisturbed():
        took = repeated(partial(milliseconds, telemetry.snapshot))
    live = sum(stats.live for stats in telemetry.snapshot().locks)
    assert live >= len(locks), f"the snapshot shows {live} live locks of {len(locks)}"
    return Measured(took)


def scrape() -> Measured:
    page = contended_page()
    with undisturbed():
        page()
        took = repeated(partial(milliseconds, page))
        snapshots = repeated(partial(milliseconds, telemetry.snapshot))
    lines = page().count(b"\n")
    return Measured(took, f"{lines:,} lines, {statistics.median(snapshots):.3g} ms of it for the snapshot")


def scrape_of_changes() -> Measured:
    """Measure scrapes with waits for every lock in between, so that no text can be reused."""
    page = contended_page()
    took: list[float] = []
    deadline = clock() + int(SECONDS * 1e9)
    while len(took) < 5 or clock() < deadline:
        for index in range(CONTENDED):
            contend(f"contended-{index}")
        with undisturbed():
            took.append(milliseconds(page))
    return Measured(tuple(took))


def scrape_by_client() -> Measured:
    """Measure scrapes through prometheus_client's own application."""
    page = contended_page(by_client=True)
    with undisturbed():
        return Measured(repeated(partial(milliseconds, page)))


def longest_piece() -> Measured:
    """Measure the longest wait of another thread for the GIL meanwhile."""
    page = contended_page()
    probe = Probe()
    with undisturbed():
        once = milliseconds(page)
        pieces = repeated(partial(probe.longest_during, page))
        idle = repeated(partial(probe.longest_during, partial(time.sleep, once / 1e3)))
    probe.stop()
    return Measured(pieces, f"{statistics.median(idle):.3g} ms while nothing runs")


class Probe:
    """A thread that always wants the GIL and records its longest wait for it."""

    def __init__(self) -> None:
        self._longest = 0
        self._stopping = False
        self._stopped = _thread.allocate_lock()
        self._stopped.acquire()
        _thread.start_new_thread(self._run, ())

    def _run(self) -> None:
        while not self._stopping:
            start = clock()
            time.sleep(0)
            self._longest = max(self._longest, clock() - start)
        self._stopped.release()

    def longest_during(self, function: Callable[[], object]) -> float:
        """Longest wait in milliseconds."""
        self._longest = 0
        function()
        return self._longest / 1e6

    def stop(self) -> None:
        self._stopping = True
        self._stopped.acquire()


def contended_page(*, by_client: bool = False) -> Callable[[], bytes]:
    """Return the function that renders the metrics page, with a thousand contended locks on it."""
    refuse_to_calibrate()
    try:
        import prometheus_client

        from thread_exporters.prometheus import PrometheusExporter, make_wsgi_app
    except ImportError as error:
        raise Unmeasurable(f"prometheus-client cannot be imported: {error}") from error
    registry = prometheus_client.CollectorRegistry()
    PrometheusExporter(registry)
    for index in range(CONTENDED):
        contend(f"contended-{index}")
    contended = sum(1 for stats in telemetry.snapshot().locks if stats.contentions)
    assert contended >= CONTENDED, f"only {contended} locks of {CONTENDED} were contended"
    app: Any = prometheus_client.make_wsgi_app(registry) if by_client else make_wsgi_app(registry)
    accepted = "application/openmetrics-text; version=1.0.0"
    request = {"REQUEST_METHOD": "GET", "PATH_INFO": "/metrics", "HTTP_ACCEPT": accepted}
    return lambda: b"".join(app(request, lambda status, headers: None))


def contend(name: str) -> None:
    """Let a thread wait for a lock of this name."""
    lock = thread.allocate_lock(name=name)
    done = _thread.allocate_lock()
    done.acquire()

    def wait() -> None:
        with lock:
            pass
        done.release()

    with lock:
        _thread.start_new_thread(wait, ())
        while not core.read_current_waits():
            time.sleep(0)
    done.acquire()


def repeated(measure: Callable[[], float]) -> tuple[float, ...]:
    """Measure for a few seconds, and at least three times."""
    deadline = clock() + int(SECONDS * 1e9)
    values: list[float] = []
    while len(values) < 3 or clock() < deadline:
        values.append(measure())
    return tuple(values)


def milliseconds(function: Callable[[], object]) -> float:
    start = clock()
    function()
    return (clock() - start) / 1e6


def refuse_to_calibrate() -> None:
    if CALIBRATING:
        raise Unmeasurable("the interpreter itself records nothing")


ROWS = (
    Row("snapshot", f"snapshot, {LIVE:,} live locks", "–", at_most(100), snapshot, unit="ms"),
    Row("scrape", f"scrape, {CONTENDED:,} contended locks", "–", at_most(20), scrape, unit="ms"),
    Row("scrape-changed", "the same, all of them since the last", "–", None, scrape_of_changes, unit="ms"),
    Row("scrape-client", "the same, by prometheus_client's application", "–", None, scrape_by_client, unit="ms"),
    Row("scrape-gil", "longest piece of GIL in it", "–", at_most(5), longest_piece, unit="ms"),
)

if __name__ == "__main__":
    main(ROWS)
