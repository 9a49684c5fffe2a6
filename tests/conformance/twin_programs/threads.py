"""Programs about threads."""

from __future__ import annotations

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
