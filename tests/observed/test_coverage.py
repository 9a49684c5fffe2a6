"""Gaps of observation are reported."""

from __future__ import annotations

from programs import output_of


def test_what_was_there_before_is_counted_and_named() -> None:
    lines = output_of(
        """
        import sys, types, threading, queue
        early = types.ModuleType("early")
        exec("from threading import Lock, Semaphore\\nguards = [Lock() for _ in range(5)]", vars(early))
        early.__file__ = "/app/early.py"
        sys.modules["early"] = early
        jobs, reentrant = queue.Queue(), threading.RLock()
        from thread import telemetry
        print(telemetry.snapshot().coverage.instrumented)
        telemetry.instrument()
        telemetry.instrument()
        coverage = telemetry.snapshot().coverage
        print(coverage.instrumented, coverage.unobserved_locks, *coverage.unobserved_modules)
        late = types.ModuleType("late")
        late.__file__ = "/app/late.py"
        late.make = early.Lock
        sys.modules["late"] = late
        print(*telemetry.snapshot().coverage.unobserved_modules)
        telemetry.uninstrument()
        print(telemetry.snapshot().coverage.instrumented)
        """
    )
    assert lines == ["False", "True 7 early", "early late", "False"]


def test_who_takes_classes_whose_methods_are_observed_is_not_named() -> None:
    lines = output_of(
        """
        import sys, types
        early = types.ModuleType("early")
        exec("from threading import Semaphore, Condition, Event, Thread, RLock", vars(early))
        early.__file__ = "/app/early.py"
        sys.modules["early"] = early
        from thread import telemetry
        telemetry.instrument()
        print(telemetry.snapshot().coverage.unobserved_modules)
        """
    )
    assert lines == ["()"]


def test_greenlets_in_place_of_threads_are_named() -> None:
    lines = output_of(
        """
        import threading
        from thread import telemetry
        telemetry.instrument()
        def patched():
            pass
        patched.__module__ = "gevent.thread"
        threading._start_new_thread = threading._start_joinable_thread = patched
        print(telemetry.snapshot().coverage.replaced_by)
        """
    )
    assert lines == ["gevent"]


def test_a_module_that_is_loaded_when_it_is_used_is_not_loaded() -> None:
    lines = output_of(
        """
        import importlib.util, sys
        spec = importlib.util.find_spec("wave")
        spec.loader = importlib.util.LazyLoader(spec.loader)
        lazy = importlib.util.module_from_spec(spec)
        sys.modules["wave"] = lazy
        spec.loader.exec_module(lazy)
        from thread import telemetry
        telemetry.instrument()
        telemetry.snapshot()
        print(type(lazy).__name__)
        """
    )
    assert lines == ["_LazyModule"]
