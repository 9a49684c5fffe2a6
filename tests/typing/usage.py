"""A user's code. Type-checked with the package installed, and never run."""

from collections.abc import Sequence
from typing import assert_type

import thread
from thread import telemetry


class Cache:
    def __init__(self) -> None:
        self._guard: thread.LockType = thread.allocate_lock(name="cache")
        self._reentrant = thread.RLock()

    def refresh(self, key: str, attempts: int = 1) -> None:
        with self._guard, self._reentrant:
            pass
        assert_type(self._guard.acquire(), bool)
        assert_type(self._guard.acquire(blocking=True, timeout=0.5), bool)
        assert_type(self._guard.locked(), bool)
        assert_type(self._guard.release(), None)


def start_threads(cache: Cache) -> None:
    assert_type(thread.start_new_thread(cache.refresh, ("key",)), int)
    thread.start_new_thread(cache.refresh, ("key",), {"attempts": 2}, name="refresher")
    assert_type(thread.get_ident(), int)
    assert_type(thread.stack_size(), int)


class SlowWaits:
    """An exporter by its methods, without a base class."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def export(self, snapshot: telemetry.Snapshot, events: Sequence[telemetry.Event]) -> None:
        for event in events:
            if isinstance(event, telemetry.SlowWait):
                self.lines.append(f"{event.acquire_site} waited {event.duration:.3f} s for {event.owner_site}")
                assert_type(event.gil_wait, float | None)
            elif isinstance(event, telemetry.ThreadFinished):
                assert_type(event.lifetime, float)
            else:
                assert_type(event, telemetry.UnhandledException)

    def shutdown(self, timeout: float) -> None:
        self.lines.clear()


def observe() -> None:
    telemetry.start("prometheus", SlowWaits(), slow_wait=0.005, hold_sampling=1)
    telemetry.instrument()
    assert_type(telemetry.configure(export_interval=1.0), telemetry.Settings)
    assert_type(telemetry.exporter("console"), telemetry.Exporter)
    with telemetry.hidden():
        thread.allocate_lock()
    telemetry.uninstrument()
    telemetry.stop(timeout=1.0)


def look() -> None:
    snapshot = telemetry.snapshot()
    assert_type(snapshot, telemetry.Snapshot)
    for lock in snapshot.locks:
        assert_type(lock, telemetry.LockStats)
        assert_type(lock.wait, telemetry.Histogram)
        assert_type(lock.wait.quantile(0.99), float)
        assert_type(lock.wait.bounds, tuple[float, ...])
    for wait in snapshot.waits:
        assert_type(wait.acquire_site, telemetry.Site)
    for live in snapshot.live_threads:
        assert_type(live.waiting_on_owner, int | None)
    assert_type(snapshot.threads, tuple[telemetry.ThreadStats, ...])
    assert_type(snapshot.exceptions, tuple[telemetry.ExceptionStats, ...])
    assert_type(snapshot.coverage.core, str)
