"""Programs about names of locks, threads and sites, and about their caps."""

from __future__ import annotations

NAMES = {
    "an empty name is no name": """
        def work(): pass
        run(work, name="")
        lock, rlock = thread.allocate_lock(name=""), thread.RLock(name="")
        show(target_rows(core), "target")
        show(lock_rows(core), "name", "kind")
        print(core.SemaphoreRecord(name="") is None)
    """,
    "names that are none are refused": """
        for make in thread.allocate_lock, thread.RLock, core.SemaphoreRecord:
            print(outcome(make, name=1), outcome(make, name=b"x"))
        print(outcome(thread.start_new_thread, int, (), name=1), outcome(core.rename, thread.allocate_lock(), None))
        print(outcome(core.rename, 1, "x"))
    """,
    "a name of a subclass of str": """
        class Odd(str):
            def __hash__(self): raise ZeroDivisionError
            def __eq__(self, other): raise ZeroDivisionError
        locks = thread.allocate_lock(name=Odd("odd")), thread.RLock(name=Odd("odd"))
        core.rename(locks[0], Odd("other"))
        print([(row.name, type(row.name)) for row in lock_rows(core) if row.live], core.internal_errors())
    """,
    "names of sites": """
        class Cache:
            shared = thread.allocate_lock()
            def __init__(self):
                self.guard = thread.allocate_lock()
                self.parts = {"a": thread.RLock(), "b": thread.RLock()}
                local = self.made = thread.allocate_lock()
        cache = Cache()
        locks = [thread.allocate_lock() for _ in range(3)]
        thread.allocate_lock(), thread.allocate_lock()
        make = lambda: thread.allocate_lock()
        kept = make()
        show(lock_rows(core), "name", "kind", "location", "live")
    """,
    "names of parts of what the standard library makes": """
        telemetry.instrument()
        class Jobs:
            def __init__(self):
                self.queue, self.event = queue.Queue(), threading.Event()
                self.condition, self.barrier = threading.Condition(), threading.Barrier(2)
                self.semaphore = threading.BoundedSemaphore(3)
        jobs = Jobs()
        show([row for row in lock_rows(core) if row.name.startswith("__main__")], "name", "kind", "live")
        print(core.object_name(jobs.queue.mutex), core.object_location(jobs.queue.mutex))
    """,
    "renamed objects and their parts": """
        telemetry.instrument()
        jobs = telemetry.named(queue.Queue(), "jobs")
        done = telemetry.named(threading.Event(), "done")
        print(core.object_name(jobs.mutex), core.object_location(jobs.mutex), core.object_name(_thread.allocate_lock()))
        print(core.object_name(1), core.object_location(None))
        show([row for row in lock_rows(core) if row.name.startswith(("jobs", "done"))], "name", "kind", "live")
    """,
    "a lock that is renamed while a thread waits": """
        lock = thread.allocate_lock(name="before")
        lock.acquire()
        waiter = waiting(lock)
        telemetry.named(lock, "after")
        show(current_wait_rows(core), "lock", "kind")
        show(lock_rows(core), "name", "live", "waiters")
        lock.release()
        waiter.join()
        show(lock_rows(core), "name", "live", "acquisitions", "contentions", "waiters")
        print({row.name for row in blame_rows(core)})
    """,
    "locks of generated code": """
        exec("lock = thread.allocate_lock()")
        names = {"thread": thread, "__name__": "made"}
        exec(compile("other = thread.allocate_lock()", "/srv/generated.py", "exec"), names)
        show(lock_rows(core), "name", "location")
    """,
    "the 2,001st identity is counted under other, and that is said": """
        locks = [thread.allocate_lock(name=f"lock {number}") for number in range(2010)]
        print(core.sites_capped(), len(lock_rows(core)), lock_row(core, "other").live)
    """,
    "the 1,001st target is counted under other, and that is said": """
        for number in range(1010):
            work = lambda: None
            work.__qualname__ = f"work{number}"
            thread.start_new_thread(work, ())
        until(lambda: finished_threads(core) == 1010)
        print(core.sites_capped(), len(target_rows(core)), target_row(core, "other")[:3])
        core.reset()
        run(int, name="one more")
        show(target_rows(core), "target", "started")
    """,
    "the 2,001st kind of blocking is counted under other": """
        for number in range(2010):
            core.blocking_row("event", f"event {number}").add_since(0)
        rows = blocking_rows(core)
        print(len(rows), rows[-1].name, rows[-1].duration.recorded, core.sites_capped())
    """,
}
