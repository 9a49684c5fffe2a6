"""Small programs that both cores have to run with the same output, and those in which they differ, with the reason.

A program sees the names of `PREAMBLE`. It prints what a user or a reader of rows can see, without times, idents and
addresses.
"""

from __future__ import annotations

PREAMBLE = """
import _thread, asyncio, concurrent.futures, copy, gc, os, pickle, queue, signal, sys, threading, time, weakref
import thread
from rows import *
from thread import telemetry
from thread._backend import core

threading.excepthook = lambda arguments: None
sys.unraisablehook = lambda arguments: None

def show(rows, *fields):
    print(sorted(tuple(getattr(row, field) for field in fields) for row in rows))

def until(predicate):
    ends_at = time.monotonic() + 60
    while not predicate():
        assert time.monotonic() < ends_at, "waited in vain"
        time.sleep(0.001)

def run(function, *arguments, **options):
    before = finished_threads(core)
    thread.start_new_thread(function, arguments, **options)
    until(lambda: finished_threads(core) > before)

def waiting(lock):
    waiter = threading.Thread(target=lock.acquire)
    waiter.start()
    until(core.read_current_waits)
    return waiter

def outcome(function, *arguments, **options):
    try:
        return function(*arguments, **options)
    except BaseException as error:
        return type(error).__name__, str(error)
"""

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
    "names of places": """
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

THREADS = {
    "outcomes of threads": """
        def returns(): pass
        def exits(): sys.exit()
        def raises(): raise ValueError("x")
        telemetry.instrument()
        core.configure(listening=True)
        for each in returns, exits, raises:
            run(each)
            started = threading.Thread(target=each)
            started.start()
            started.join()
        until(lambda: finished_threads(core) == 6)
        events = event_rows(core)
        show([event for event in events if event.event == "thread_finished"], "target", "outcome", "thread_span")
        show([event for event in events if event.event == "unhandled_exception"], "type", "message", "target", "source")
        show(target_rows(core), "target", "started", "finished")
        show(exception_rows(), "type", "target", "occurrences", "source")
        print(core.internal_errors())
    """,
    "what the interpreter is told of an exception": """
        def raises(): raise ValueError("x")
        def hook(arguments):
            told.append((arguments.exc_type, str(arguments.exc_value), arguments.err_msg, arguments.object is raises))
            told.append([frame.name for frame in traceback.extract_tb(arguments.exc_traceback)])
        import traceback
        told = []
        sys.unraisablehook = hook
        run(raises)
        print(told)
    """,
    "a thread that ends with SystemExit or KeyboardInterrupt": """
        def leaves(): raise SystemExit(3)
        def interrupts(): raise KeyboardInterrupt
        run(leaves), run(interrupts)
        show(exception_rows(), "type", "target", "occurrences")
    """,
    "names of targets": """
        import functools
        class Worker:
            def work(self): pass
            def __call__(self): pass
            @classmethod
            def make(cls): pass
        def plain(): pass
        @functools.wraps(plain)
        def wrapper(): pass
        for each in Worker().work, Worker(), Worker.make, functools.partial(plain), lambda: None, wrapper, int, print:
            run(each)
        telemetry.instrument()
        class Own(threading.Thread):
            def run(self): pass
        for each in Own(), threading.Thread(target=plain), threading.Timer(0, plain), threading.Thread():
            each.start(), each.join()
        until(lambda: finished_threads(core) == 12)
        show(target_rows(core), "target", "started", "finished")
    """,
    "a target whose class cannot be described costs no thread": """
        class Meta(type):
            def __getattribute__(cls, name): raise ZeroDivisionError
        class Work(metaclass=Meta):
            def __call__(self): done.append(1)
        done = []
        thread.start_new_thread(Work(), ())
        until(lambda: done)
        print(done)
    """,
    "arguments of threads": """
        seen = []
        run(lambda *args, **kwargs: seen.append((args, kwargs)), 1, 2)
        thread.start_new_thread(lambda *args, **kwargs: seen.append((args, kwargs)), (3,), {"key": 4})
        until(lambda: len(seen) == 2)
        print(seen)
        for arguments in (), (int,), (int, (), {}, 1), (1, ()), (int, []), (int, (), []), (int, (), None):
            print(outcome(thread.start_new_thread, *arguments))
        print(outcome(thread.start_new_thread, int, (), nothing=1)[0])
        until(lambda: not core.read_live_threads())
        print(len(target_rows(core)))
    """,
    "a thread that cannot be started leaves no trace": """
        size = thread.stack_size(1 << 46)
        print(outcome(thread.start_new_thread, int, (), name="impossible"), size)
        thread.stack_size(0)
        print(core.read_threads(), core.read_live_threads())
    """,
    "joinable threads": """
        if sys.version_info >= (3, 13):
            handle = thread.start_joinable_thread(lambda: None, name="joined", daemon=False)
            print(handle.join(), handle.is_done(), outcome(thread.start_joinable_thread, 1))
            print(outcome(thread.start_joinable_thread), outcome(thread.start_joinable_thread, int, name=1))
            show(target_rows(core), "target", "started", "finished")
        else:
            print(hasattr(thread, "start_joinable_thread"))
    """,
    "running threads": """
        lock = thread.allocate_lock(name="gate")
        lock.acquire()
        ident = thread.start_new_thread(lock.acquire, (), name="waits")
        until(core.read_current_waits)
        [live], [wait] = live_thread_rows(core), current_wait_rows(core)
        print(live.ident == wait.ident == ident, live.target, wait.lock, wait.kind, wait.owner == thread.get_ident())
        live = [each for each in telemetry.snapshot().live_threads]
        print(sorted((each.target, each.name, each.waiting_for, each.daemon) for each in live))
        lock.release()
        until(lambda: not core.read_live_threads())
        print(core.read_current_waits())
    """,
    "a thread that goes on over a reset is counted as started": """
        lock = thread.allocate_lock()
        lock.acquire()
        thread.start_new_thread(lock.acquire, (), name="goes on")
        run(int, name="is over")
        until(core.read_current_waits)
        core.reset()
        show(target_rows(core), "target", "started", "finished")
        lock.release()
        until(lambda: finished_threads(core))
        show(target_rows(core), "target", "started", "finished")
    """,
    "threads that another library starts": """
        def start(run, *rest, **options):
            thread.start_new_thread(run, ())
            return rest, options
        body = core.observed_run(lambda *args: seen.append(args), (1, 2), {}, "observed")
        seen = []
        print(core.pass_on(start, body, (3,), {"key": 4}))
        until(lambda: finished_threads(core))
        print(seen, outcome(core.observed_run, int, (), {}, 1))
        show(target_rows(core), "target", "started", "finished")
    """,
    "an executor and its tasks": """
        telemetry.instrument()
        def fails(): raise ValueError("unread")
        with concurrent.futures.ThreadPoolExecutor(2, thread_name_prefix="pool") as pool:
            print(pool.submit(int, "7").result(), outcome(pool.submit(fails).result))
            future = pool.submit(fails)
            concurrent.futures.wait([future])
            del future
            gc.collect()
        row = [row for row in executor_rows() if row.name == "pool"][0]
        print(row.submitted, row.finished, row.unread_exceptions, row.busy, row.queue_length)
        print(row.queue_duration.recorded, row.run_duration.recorded)
        show(exception_rows(), "type", "target", "occurrences", "source")
    """,
    "a hidden thread is not observed": """
        core.enter_untracked()
        lock = thread.allocate_lock(name="lock")
        with lock: pass
        print(core.is_untracked(), core.untracked_count(), core.object_name(lock), core.serves_telemetry())
        done = []
        thread.start_new_thread(lambda: done.append((core.is_untracked(), core.serves_telemetry())), ())
        until(lambda: done)
        core.leave_untracked()
        core.leave_untracked()
        print(done, core.is_untracked(), core.untracked_count(), core.read_locks(), core.read_threads())
    """,
    "code of an SDK of telemetry": """
        source = "def make():\\n    return thread.allocate_lock(), core.serves_telemetry()"
        names = {"thread": thread, "core": core, "__name__": "sdk"}
        exec(compile(source, os.path.dirname(os.__file__) + "/site-packages/opentelemetry/sdk/x.py", "exec"), names)
        lock, serves = names["make"]()
        print(core.object_name(lock), serves, core.serves_telemetry(), core.read_locks())
    """,
}

WAITS = {
    "the fields of a slow wait": """
        core.configure(listening=True, slow_wait_ns=1_000_000)
        lock = thread.allocate_lock(name="lock")
        lock.acquire()
        print(lock.acquire(timeout=0.02))
        [event] = event_rows(core)
        print(len(event), event.event, event.lock, event.kind, event.acquire_site, event.owner_site, event.waiters)
        print(event.task, event.span, event.owner_span, event.outcome, event.owner_ident == event.ident)
        print(event.acquire_stack == event.owner_stack, event.acquire_stack[0] == event.acquire_site)
    """,
    "both stacks of a slow wait": """
        core.configure(listening=True, slow_wait_ns=1_000_000)
        lock = thread.allocate_lock(name="lock")
        def keep():
            with lock:
                held.append(1)
                until(core.read_current_waits)
                linger()
        def linger(): time.sleep(0.05)
        def want():
            with lock: pass
        held = []
        thread.start_new_thread(keep, ())
        until(lambda: held)
        want()
        [event] = event_rows(core, "slow_wait")
        print([site.function for site in event.acquire_stack], event.owner_stack[-1].function, event.outcome)
        until(lambda: not core.read_live_threads())
    """,
    "stacks as deep as the settings allow": """
        core.configure(listening=True, slow_wait_ns=0, stack_depth=2)
        def deeper(n): return deeper(n - 1) if n else (core.current_stack(), lock.acquire(timeout=0.001))
        lock = thread.allocate_lock()
        lock.acquire()
        print(deeper(5))
        [event] = event_rows(core)
        print(event.acquire_stack, event.owner_stack)
    """,
    "no event while nobody listens": """
        core.configure(slow_wait_ns=0)
        lock = thread.allocate_lock()
        lock.acquire(), lock.acquire(timeout=0.001), run(int)
        print(core.take_events(), core.listening(), core.wait_for_events(0), core.dropped_events())
    """,
    "who is to blame": """
        lock = thread.allocate_lock(name="lock")
        def keep():
            with lock:
                until(core.read_current_waits)
        def want():
            until(lock.locked)
            with lock: pass
        keeper, waiter = threading.Thread(target=keep), threading.Thread(target=want)
        waiter.start(), keeper.start(), keeper.join(), waiter.join()
        print({(row.name, row.kind, row.acquire_site.function) for row in blame_rows(core)})
        wait = lock_row(core, "lock").wait
        print(sum(row.waited_ns for row in blame_rows(core)) == wait.sum_ns, wait.recorded)
        print({row.owner_site.function for row in blame_rows(core)} <= {"__main__.keep", "__main__.until", "gil"})
    """,
    "waits for conditions, events and queues": """
        telemetry.instrument()
        condition, event, jobs = threading.Condition(), threading.Event(), queue.Queue()
        with condition: condition.wait(0.001)
        event.wait(0.001)
        outcome(jobs.get, timeout=0.001)
        started = threading.Thread(target=time.sleep, args=(0.01,))
        started.start(), started.join()
        barrier = threading.Barrier(2)
        outcome(barrier.wait, 0.001)
        future = concurrent.futures.Future()
        outcome(future.result, 0.001)
        found = [(row.kind, row.name, row.site, row.duration.recorded) for row in blocking_rows(core)]
        print(sorted(row for row in found if row[0] != "join"), sorted({row[0] for row in found}))
    """,
    "polls do not wait": """
        telemetry.instrument()
        condition, event, jobs = threading.Condition(), threading.Event(), queue.Queue()
        with condition: condition.wait(0)
        event.wait(0), outcome(jobs.get, False), outcome(jobs.get_nowait), threading.current_thread().is_alive()
        print(core.read_blocking())
    """,
    "rows of blocking waits": """
        core.configure(listening=True, slow_wait_ns=1_000_000)
        row = core.blocking_row("condition", "name")
        print(row.add_since(core.monotonic_ns()), row.add_since(core.monotonic_ns() - 10**9) > 10**9)
        print(core.blocking_row("condition", 1).add_since(0), core.internal_errors())
        core.enter_untracked()
        print(core.blocking_row("condition", "hidden").add_since(0))
        core.leave_untracked()
        print([(row.kind, row.name, row.duration.recorded) for row in blocking_rows(core)])
        print(row.key)
    """,
    "semaphores": """
        telemetry.instrument()
        semaphore = telemetry.named(threading.Semaphore(1), "permits")
        semaphore.acquire()
        print(semaphore.acquire(timeout=0.002), semaphore.acquire(False))
        semaphore.release()
        rows = [row for row in lock_rows(core) if row.kind == "semaphore"]
        show(rows, "name", "kind", "live", "acquisitions", "contentions", "timeouts")
    """,
    "the record of a semaphore": """
        core.configure(listening=True, slow_wait_ns=3_600_000_000_000)
        record = core.SemaphoreRecord(name="record")
        record.acquired(), record.acquired(), record.released(5), record.acquired()
        wait = record.begin_wait()
        show(current_wait_rows(core), "lock", "kind")
        print(wait.seconds_to_evidence() > 3000, wait.give_evidence(), wait.seconds_to_evidence(), wait.end(True))
        record.begin_wait().end(False), record.begin_wait().end(None), record.begin_wait()
        gc.collect()
        show(event_rows(core), "lock", "kind", "waiters", "outcome")
        show(lock_rows(core), "name", "acquisitions", "contentions", "timeouts", "waiters")
        del record, wait
        show(lock_rows(core), "name", "live")
    """,
    "the task of an event loop": """
        async def main():
            asyncio.current_task().set_name("request")
            found.append(core.current_task())
            asyncio.get_running_loop().call_soon(lambda: found.append(core.current_task()))
            await asyncio.sleep(0.001)
            lock = thread.allocate_lock()
            lock.acquire(), lock.acquire(timeout=0.01)
        core.configure(listening=True, slow_wait_ns=1_000_000)
        found = [core.current_task()]
        asyncio.run(main())
        print(found, [event.task for event in event_rows(core, "slow_wait")])
    """,
    "the span of a thread": """
        from contextvars import Context, ContextVar
        class Span:
            def __init__(self, *context): self._context = context
        class ThreadSpan: pass
        class Tracing:
            variable, span_key, context_attribute = ContextVar("spans"), "span", "_context"
            context_type, thread_span_type = dict, ThreadSpan
            def prepare_thread(self, function, span): return True
        print(outcome(core.set_tracing, 1)[0], core.current_span())
        core.set_tracing(Tracing())
        core.configure(listening=True, slow_wait_ns=1_000_000)
        for value in None, {}, {"span": 1}, {"span": Span(0, 0)}, {"span": Span(7, 8)}:
            Tracing.variable.set(value)
            print(core.current_span())
        span = value["span"]
        seen = []
        run(lambda: seen.append(type(core.current_span()).__name__))
        lock = thread.allocate_lock()
        lock.acquire(), lock.acquire(timeout=0.01)
        [finished, wait] = event_rows(core)
        print(seen, finished.starter_span, finished.starter_span_itself is span, wait.span, wait.owner_span)
        core.set_tracing(None)
        print(core.current_span())
    """,
}

RECORDS = {
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
        print(isinstance(threading.Lock(), type(before[0]())), threading._allocate_lock, threading._start_new_thread)
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

PROGRAMS = LOCKS | NAMES | THREADS | WAITS | RECORDS

KNOWN_TO_DIFFER = {
    "a method that is written in Python says so when it gets an argument too many": """
        print(outcome(thread.allocate_lock().acquire, x=1))
    """,
    "seen from Python, the lock and the GIL are had in one step, so that the wait for the GIL cannot be told": """
        core.configure(listening=True, slow_wait_ns=1_000_000)
        lock = thread.allocate_lock()
        lock.acquire()
        waiter = waiting(lock)
        time.sleep(0.01)
        lock.release()
        waiter.join()
        [event] = event_rows(core, "slow_wait")
        print(type(event.gil_wait_ns))
    """,
    "queue.SimpleQueue is written in C, so that only C code can wait in it and be seen": """
        telemetry.instrument()
        outcome(queue.SimpleQueue().get, timeout=0.01)
        show(blocking_rows(core), "kind")
    """,
}
"""Differences by their reason."""
