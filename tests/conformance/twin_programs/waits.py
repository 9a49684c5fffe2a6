"""Programs about waits and what is recorded of them."""

from __future__ import annotations

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
