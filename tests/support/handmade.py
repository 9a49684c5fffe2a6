"""Handmade snapshots of the real public classes, for tests of exporters."""

from __future__ import annotations

from bisect import bisect_left

from thread.telemetry import (
    BlockingStats,
    Coverage,
    ExceptionStats,
    ExecutorStats,
    ExporterStats,
    Histogram,
    LockStats,
    Site,
    SlowWait,
    Snapshot,
    SpanContext,
    ThreadFinished,
    ThreadStats,
    UnhandledException,
    WaitStats,
)

GET = Site("shop.cache.Cache.get", "/app/shop/cache.py", 44)
REFRESH = Site("shop.cache.Cache.refresh", "/app/shop/cache.py", 60)
CHARGE = Site("shop.worker.charge", "/app/shop/worker.py", 52)
HOT = "shop.cache:Cache._guard"
NOON = 1_750_000_000.0

TRACEBACK = """\
Traceback (most recent call last):
  File "/app/shop/worker.py", line 31, in work
    charge(order)
  File "/app/shop/worker.py", line 52, in charge
    raise ValueError(f"cannot charge {order!r}")
ValueError: cannot charge [red]Order(7)[/red]
"""


def histogram(*seconds: float) -> Histogram:
    buckets = [0] * (len(Histogram.bounds) + 1)
    for duration in seconds:
        buckets[bisect_left(Histogram.bounds, duration)] += 1
    return Histogram(len(seconds), sum(seconds), max(seconds, default=0.0), tuple(buckets))


def lock(
    name: str = HOT,
    *,
    kind: str = "lock",
    wait: Histogram | None = None,
    hold: Histogram | None = None,
    acquisitions: int = 1000,
    timeouts: int = 0,
    waiters: int = 0,
    oldest_wait: float = 0.0,
) -> LockStats:
    wait = wait or Histogram()
    return LockStats(
        name=name,
        kind=kind,
        location="/app/shop/cache.py:31",
        live=1,
        acquisitions=acquisitions,
        contentions=wait.count - timeouts,
        timeouts=timeouts,
        wait=wait,
        hold=hold or Histogram(),
        waiters=waiters,
        oldest_wait=oldest_wait,
    )


def slow_wait(
    duration: float = 0.12,
    *,
    lock: str = HOT,
    acquire_site: Site = GET,
    owner_site: Site = REFRESH,
    callers: int = 1,
    started_at: float = NOON,
    span: SpanContext | None = None,
) -> SlowWait:
    outer = tuple(Site(f"shop.web.layer_{depth}", "/app/shop/web.py", depth) for depth in range(callers))
    return SlowWait(
        lock=lock,
        kind="lock",
        location="/app/shop/cache.py:31",
        ident=1,
        native_id=4243,
        acquire_stack=(acquire_site, *outer),
        acquire_site=acquire_site,
        owner_ident=2,
        owner_stack=(owner_site, Site("shop.refresh.refresh_forever", "/app/shop/refresh.py", 10)),
        owner_site=owner_site,
        waiters=5,
        started_at=started_at,
        duration=duration,
        gil_wait=0.003,
        outcome="acquired",
        span=span,
    )


def unhandled_exception(site: Site = CHARGE) -> UnhandledException:
    return UnhandledException("ValueError", "cannot charge", "shop.worker:work", 1, 4244, NOON, TRACEBACK, site)


def thread_finished() -> ThreadFinished:
    return ThreadFinished(
        ident=11,
        native_id=111,
        target="shop.worker:work",
        starter=GET,
        requested_at=NOON,
        start_delay=0.001,
        lifetime=2.0,
        cpu_time=0.5,
        outcome="returned",
    )


def snapshot_of_a_shop() -> Snapshot:
    """Make a snapshot with a bit of everything."""
    return Snapshot(
        taken_at=NOON,
        locks=(
            lock(wait=histogram(0.001, 0.004, 0.02, 3.0), hold=histogram(0.001, 0.002), timeouts=1),
            lock("orders[red]", kind="rlock", wait=histogram(0.00003)),
            lock("quiet"),
        ),
        waits=(WaitStats(HOT, GET, REFRESH, 3, 2.5), WaitStats(HOT, REFRESH, GET, 1, 0.525)),
        blocking=(
            BlockingStats("queue", "shop.jobs:Jobs._queue", GET, histogram(0.5)),
            BlockingStats("queue", "shop.jobs:Jobs._queue", REFRESH, histogram(2.0, 2.0)),
            BlockingStats("join", "shop.refresher:refresh_forever", GET, histogram(0.25)),
        ),
        executors=(ExecutorStats("mail", 1, 4, 3, 17, 120, 100, 2, histogram(0.5, 2.0), histogram(0.1, 0.2)),),
        threads=(
            ThreadStats("shop.refresh:refresh_forever", 1, 0, 1, histogram(0.0001), Histogram(), 1.25),
            ThreadStats("shop.worker:work", 12, 12, 0, histogram(*[0.0002] * 12), histogram(*[0.25] * 12), 0.5),
        ),
        exceptions=(
            ExceptionStats("ValueError", "shop.worker:work", 5, TRACEBACK, NOON),
            ExceptionStats("TimeoutError", "shop.mail:send", 2, TRACEBACK, NOON, "future"),
        ),
        exporters=(
            ExporterStats("otlp", 11, 2, 7, NOON - 3.5),
            ExporterStats("console", 12, 0, 0, NOON - 1),
        ),
        dropped_events=7,
        coverage=Coverage("c", True, 1, 1, False, 3, version="0.1.0", python="3.13.1"),
        began_at=NOON - 3600,
    )
