"""Programs about locks."""

from __future__ import annotations

LOCKS = {
    "counts of acquisitions, contentions and time-outs": """
        lock, rlock = thread.allocate_lock(name="lock"), thread.RLock(name="rlock")
        for each in lock, rlock:
            with each: pass
            each.acquire(); each.release()
            each.acquire(False); print(outcome(each.acquire, True, 0.001)); each.release()
        lock.acquire()
        print(lock.acquire(False), lock.acquire(timeout=0.002), lock.acquire(True, 0))
        waiter = waiting(lock)
        lock.release()
        waiter.join()
        show(lock_rows(core), "name", "kind", "live", "acquisitions", "contentions", "timeouts", "waiters")
    """,
    "errors of locks": """
        lock, rlock = thread.allocate_lock(), thread.RLock()
        for each in lock, rlock:
            print(outcome(each.release), outcome(each.acquire, False, 1), outcome(each.acquire, True, -2))
            print(outcome(each.acquire, timeout=1e300), outcome(each.acquire, timeout=float("nan")))
            print(outcome(each.acquire, timeout="x")[0], outcome(each.__exit__, None, None, None))
    """,
    "an unlocked and a locked lock": """
        lock = thread.allocate_lock()
        print(lock, lock.locked())
        with lock as entered:
            print(lock, lock.locked(), entered)
        print(lock.acquire_lock(), lock.locked_lock(), lock.release_lock())
    """,
    "re-entering an RLock": """
        rlock = thread.RLock(name="rlock")
        print(rlock, rlock._is_owned(), rlock._recursion_count())
        with rlock, rlock:
            print(rlock.acquire(), rlock.acquire(False), rlock._recursion_count(), rlock._is_owned())
            rlock.release(), rlock.release()
            print(rlock)
            run(lambda: print(rlock._is_owned(), rlock._recursion_count(), rlock.acquire(False)))
            run(lambda: print(outcome(rlock.release)))
        print(rlock, outcome(rlock.release))
        show(lock_rows(core), "name", "acquisitions", "contentions", "timeouts")
    """,
    "saving and restoring the state of an RLock": """
        rlock = thread.RLock()
        print(outcome(rlock._release_save))
        rlock.acquire(), rlock.acquire()
        count, owner = rlock._release_save()
        print(count, owner == thread.get_ident(), rlock._is_owned())
        rlock._acquire_restore((count, owner))
        print(rlock._recursion_count())
    """,
    "a lock that another thread releases": """
        lock = thread.allocate_lock(name="lock")
        lock.acquire()
        run(lock.release)
        print(lock.locked(), lock.acquire(False))
        show(lock_rows(core), "name", "acquisitions", "contentions")
    """,
    "locks can neither be copied nor pickled": """
        for each in thread.allocate_lock(), thread.RLock():
            print(outcome(copy.copy, each), outcome(copy.deepcopy, each))
            for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
                print(outcome(pickle.dumps, each, protocol))
    """,
    "types of locks": """
        class Derived(thread.RLock): pass
        print(outcome(type, "Derived", (thread.LockType,), {}))
        lock, rlock, derived = thread.allocate_lock(), thread.RLock(), Derived()
        print(type(lock), type(rlock), type(lock) is thread.LockType, lock.__class__, rlock.__class__)
        print(derived, derived.__class__, isinstance(derived, thread.RLock), derived.acquire(), derived)
        for each in lock, rlock, _thread.allocate_lock(), _thread.RLock(), 1:
            print(isinstance(each, thread.LockType), isinstance(each, thread.RLock), isinstance(each, _thread.RLock))
        print(issubclass(_thread.LockType, thread.LockType), issubclass(int, thread.RLock))
    """,
    "attributes of locks": """
        for each in thread.allocate_lock(), thread.RLock():
            print([name for name in dir(each) if not name.startswith("_")], outcome(setattr, each, "x", 1)[0])
            reference = weakref.ref(each)
            print(reference() is each, hash(each) == hash(each), each == each, bool(each))
    """,
    "functions that make locks": """
        for each in thread.allocate_lock, thread.start_new_thread:
            print(each, each.__name__, each.__qualname__, each.__module__)
        print(outcome(thread.allocate_lock, 1), outcome(thread.allocate_lock, nothing=1)[0], outcome(thread.RLock, 1))
        class Keeps: make = thread.allocate_lock
        print(Keeps().make())
    """,
    "a lock after a fork": """
        for each in thread.allocate_lock(), thread.RLock():
            each.acquire()
            each._at_fork_reinit()
            print(each.acquire(False))
    """,
    "a wait that a signal handler ends": """
        def handler(*arguments): raise InterruptedError("enough")
        signal.signal(signal.SIGALRM, handler)
        core.configure(listening=True, slow_wait_ns=1_000_000)
        for lock in thread.allocate_lock(name="lock"), thread.RLock(name="rlock"):
            keeper = threading.Thread(target=lambda: (lock.acquire(), held.set(), go.wait(), lock.release()))
            held, go = threading.Event(), threading.Event()
            keeper.start(), held.wait()
            signal.setitimer(signal.ITIMER_REAL, 0.02)
            print(outcome(lock.acquire))
            go.set(), keeper.join()
        show(event_rows(core, "slow_wait"), "lock", "outcome")
        show(lock_rows(core), "name", "acquisitions", "contentions", "timeouts", "waiters")
    """,
    "holds, each timed or none": """
        for sampling in 1, 0:
            core.configure(hold_sampling=sampling)
            lock, rlock = thread.allocate_lock(name=f"lock {sampling}"), thread.RLock(name=f"rlock {sampling}")
            for each in lock, rlock:
                for _ in range(3):
                    with each: pass
            with rlock, rlock: pass
        print([(row.name, row.hold and row.hold.recorded) for row in lock_rows(core)])
    """,
    "a condition gives its lock back for the time of its wait": """
        telemetry.instrument()
        for lock in telemetry.named(threading.Lock(), "lock"), telemetry.named(threading.RLock(), "rlock"):
            condition = threading.Condition(lock)
            with condition: print(condition.wait(0.002))
            def tell():
                with condition: condition.notify()
            with condition:
                threading.Thread(target=tell).start()
                print(condition.wait(60))
        print([(row.name, row.timeouts) for row in lock_rows(core) if row.name in ("lock", "rlock")])
    """,
}
