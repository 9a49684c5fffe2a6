"""Programs about the core as a whole: events, settings, resets, forks, snapshots."""

from __future__ import annotations

WHOLE_CORE = {
    "a smaller buffer keeps the newest events": """
        for number in range(6):
            core.push_event((number,))
        core.configure(event_capacity=2)
        print(core.dropped_events())
        print(core.take_events())
        core.push_event((6,))
        core.configure(event_capacity=4)
        print(core.take_events(), core.dropped_events())
    """,
    "a full buffer drops the newest events": """
        core.configure(event_capacity=3)
        for number in range(6):
            core.push_event((number,))
        print(core.wait_for_events(60), core.take_events(), core.dropped_events(), core.take_events())
        print(core.wait_for_events(0), core.wake(), core.wait_for_events(60), core.wait_for_events(-1))
        print(outcome(core.push_event, [1]), outcome(core.push_event, None), outcome(core.wait_for_events, "x")[0])
    """,
    "settings and their errors": """
        for name in "slow_wait_ns", "hold_sampling", "event_capacity", "stack_depth":
            print(outcome(core.configure, **{name: -1}), outcome(core.configure, **{name: 1}))
            print(outcome(core.configure, **{name: "x"}), outcome(core.configure, **{name: 1.5}))
        print(outcome(core.configure, unknown=1)[0], outcome(core.configure, 1)[0])
        core.configure(listening=[1])
        print(core.listening(), core.configure(listening=0), core.listening())
    """,
    "a setting that is refused changes nothing": """
        print(outcome(core.configure, listening=True, stack_depth=0), core.listening())
    """,
    "sums and bounds of histograms": """
        counts = core.HistogramCounts()
        print(counts.read())
        for duration in 0, -5, 1, 59, 60, 10**9, 2**62:
            counts.add(duration)
        print(tuple(counts.read()), outcome(counts.add, "x")[0])
    """,
    "everything at zero after a reset": """
        lock = thread.allocate_lock(name="lock")
        with lock: pass
        run(int, name="over")
        core.blocking_row("event", "x").add_since(0)
        core.push_event(("x",))
        core.count_internal_error()
        core.reset()
        show(lock_rows(core), "name", "live", "acquisitions", "contentions")
        print(core.take_events(), core.internal_errors(), core.dropped_events())
        print(core.read_threads(), core.read_blame(), core.read_blocking())
    """,
    "a forked child begins at zero": """
        lock = thread.allocate_lock(name="lock")
        with lock: pass
        waiter_of_parent = (lock.acquire(), waiting(lock))[1]
        core.push_event(("parent",))
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            show(lock_rows(core), "name", "live", "acquisitions", "contentions", "waiters")
            print(core.read_threads(), core.read_live_threads(), core.read_current_waits(), core.take_events())
            run(int, name="of the child")
            show(target_rows(core), "target", "started", "finished")
            lock.release()
            with lock: pass
            sys.stdout.flush()
            os._exit(0)
        print(os.waitpid(child, 0)[1])
        lock.release(), waiter_of_parent.join()
        show(lock_rows(core), "name", "acquisitions", "contentions", "waiters")
    """,
    "frames and code objects that are none": """
        print(outcome(core.first_argument, 1), outcome(core.mark_blocking, 1, "x"), outcome(core.mark_reacquisition, 1))
        print(outcome(core.mark_blocking, until.__code__, 1)[0])
        def method(self, other): return core.first_argument(sys._getframe())
        print(method("me", 1), (lambda: core.first_argument(sys._getframe()))())
    """,
    "a snapshot": """
        telemetry.instrument()
        lock = thread.allocate_lock(name="lock")
        lock.acquire(), lock.acquire(timeout=0.001)
        run(int, name="counted")
        found = telemetry.snapshot()
        [stats] = [each for each in found.locks if each.name == "lock"]
        print(stats.kind, stats.live, stats.acquisitions, stats.contentions, stats.timeouts, stats.wait.count)
        print([(each.target, each.started, each.finished, each.running) for each in found.threads])
        print({(each.lock, str(each.acquire_site)) for each in found.waits})
        coverage = found.coverage
        print(coverage.instrumented, coverage.sites_capped, coverage.faults, coverage.observed_threads)
        print(found.dropped_events, stats.waiters)
    """,
    "what instrument replaces": """
        before = threading.Lock, threading.RLock, threading.Condition.wait, queue.Queue.get
        telemetry.instrument()
        print(threading.Lock, type(threading.Lock()), type(threading.RLock()), threading.Lock is thread.allocate_lock)
        start = getattr(threading, "_start_joinable_thread", None) or threading._start_new_thread
        print(isinstance(threading.Lock(), type(before[0]())), threading._allocate_lock, start)
        telemetry.uninstrument()
        print(before == (threading.Lock, threading.RLock, threading.Condition.wait, queue.Queue.get))
    """,
    "locks in finalizers": """
        class Final:
            def __del__(self):
                with lock: done.append(len(core.read_locks()) > 0)
        lock, done = thread.allocate_lock(name="lock"), []
        for _ in range(100):
            cycle = Final(); cycle.itself = cycle
        del cycle
        gc.collect()
        print(len(done), all(done), lock_row(core, "lock").acquisitions)
    """,
}
