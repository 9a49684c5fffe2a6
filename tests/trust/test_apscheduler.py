"""APScheduler runs its jobs and ends, and its threads' work is recorded."""

from __future__ import annotations

from programs import observed

PROGRAM = """
    import datetime, logging, threading
    from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MAX_INSTANCES
    from apscheduler.executors.pool import ThreadPoolExecutor
    from apscheduler.schedulers.background import BackgroundScheduler

    logging.getLogger("apscheduler").setLevel(logging.CRITICAL)
    guard = threading.Lock()
    gate = threading.Event()
    ticks = threading.Semaphore(0)
    held_back = threading.Event()
    ran, failures = [], []
    all_ran, failed = threading.Event(), threading.Event()

    def once(number):
        with guard:
            ran.append(number)
            if len(ran) == 20:
                all_ran.set()

    def fail():
        raise RuntimeError("no pears")

    def note_failure(event):
        failures.append(repr(event.exception))
        failed.set()

    scheduler = BackgroundScheduler(timezone=datetime.timezone.utc, executors={"default": ThreadPoolExecutor(3)})
    scheduler.add_listener(note_failure, EVENT_JOB_ERROR)
    scheduler.add_listener(lambda event: held_back.set(), EVENT_JOB_MAX_INSTANCES)
    scheduler.start()
    for number in range(20):
        scheduler.add_job(once, args=[number], misfire_grace_time=None)
    scheduler.add_job(fail, misfire_grace_time=None)
    scheduler.add_job(ticks.release, "interval", seconds=0.01, misfire_grace_time=None)
    # A job that is still running at its next turn does not run a second time.
    scheduler.add_job(gate.wait, "interval", args=[60], seconds=0.01, id="slow", misfire_grace_time=None)
    print([ticks.acquire(timeout=30) for _ in range(5)], [each.wait(30) for each in (all_ran, failed, held_back)])
    scheduler.remove_job("slow")
    gate.set()
    scheduler.shutdown(wait=True)
    print(sorted(ran), failures, scheduler.running, threading.active_count())
"""


def test_apscheduler_runs_its_jobs_in_observed_threads_and_ends() -> None:
    printed, seen = observed(
        PROGRAM,
        """
        [pool] = recorded.executors
        print(pool.name, pool.submitted == pool.finished >= 27, pool.unread_exceptions, pool.workers, pool.busy)
        print([each.acquisitions for each in recorded.locks if each.name == "__main__:guard"])
        print({(each.kind, each.name, each.site.function) for each in recorded.blocking if "._event" in each.name})
        print([(each.started, each.finished) for each in recorded.threads if "_main_loop" in each.target])
        """,
    )
    assert printed == [
        "[True, True, True, True, True] [True, True, True]",
        f"{list(range(20))} [\"RuntimeError('no pears')\"] False 1",
    ]
    assert seen == [
        "apscheduler.executors.pool:ThreadPoolExecutor.__init__.pool True 0 0 0",
        "[20]",
        "{('event', 'apscheduler.schedulers.background:BackgroundScheduler._event', "
        "'apscheduler.schedulers.blocking.BlockingScheduler._main_loop')}",
        "[(1, 1)]",
    ]
