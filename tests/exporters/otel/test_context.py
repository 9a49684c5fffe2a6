"""The current span in a thread that was started in a span, seen through OpenTelemetry's API alone."""

from __future__ import annotations

import gc
import threading
from _thread import get_ident
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType
from typing import Any

import pytest
from conftest import WaitUntil
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, TraceFlags

import thread
from thread._views.event_reader import read_events
from thread.telemetry import ThreadFinished, UnhandledException
from thread_exporters._otel.context import opentelemetry_tracing


@pytest.fixture
def tracer(instrumented: ModuleType) -> Iterator[trace.Tracer]:
    from thread import telemetry

    tracing = opentelemetry_tracing()
    telemetry.begin_tracing(tracing)
    instrumented.configure(listening=True)
    yield TracerProvider().get_tracer("test")
    telemetry.end_tracing(tracing)
    assert instrumented.internal_errors() == 0


def start_raw(function: Callable[[], object]) -> None:
    thread.start_new_thread(function, ())


def start_interpreters(function: Callable[[], object]) -> None:
    import _thread

    _thread.start_new_thread(function, ())


def start_threading(function: Callable[[], object]) -> None:
    threading.Thread(target=function).start()


STARTS = pytest.mark.parametrize("start", [start_raw, start_interpreters, start_threading])


class Look:
    """A thread that reports its current span whenever it is told to look."""

    def __init__(self) -> None:
        self.seen: list[SpanContext] = []
        self.asked = threading.Semaphore(0)
        self.looked = threading.Semaphore(0)
        self.ended = threading.Event()

    def __call__(self) -> None:
        self.ident = get_ident()
        while self.asked.acquire(timeout=20) and not self.ended.is_set():
            self.seen.append(trace.get_current_span().get_span_context())
            self.looked.release()

    def again(self) -> SpanContext:
        self.asked.release()
        assert self.looked.acquire(timeout=20)
        return self.seen[-1]

    def end(self) -> None:
        self.ended.set()
        self.asked.release()


def finished(wait_until: WaitUntil, ident: int) -> ThreadFinished:
    """Wait for the event of the end of a thread."""
    found: list[ThreadFinished] = []

    def came() -> list[ThreadFinished]:
        events = [event for event in read_events() if isinstance(event, ThreadFinished)]
        found.extend(event for event in events if event.ident == ident)
        return found

    wait_until(came)
    return found[0]


@STARTS
def test_a_thread_is_in_the_trace_of_its_starter_with_a_span_of_its_own(
    tracer: trace.Tracer, wait_until: WaitUntil, start: Callable[[Callable[[], object]], None]
) -> None:
    look = Look()
    with tracer.start_as_current_span("request") as request:
        start(look)
        current = look.again()
        look.end()
        event = finished(wait_until, look.ident)
    context = request.get_span_context()
    assert current.trace_id == context.trace_id
    assert current.span_id != context.span_id
    assert current.trace_flags == context.trace_flags
    assert (event.starter_span.span_id, event.span.span_id) == (context.span_id, current.span_id)
    assert (event.span_was_read, event.left_trace_at) == (True, None)


@STARTS
def test_a_thread_leaves_the_trace_when_the_span_of_its_starter_ends(
    tracer: trace.Tracer, wait_until: WaitUntil, start: Callable[[Callable[[], object]], None]
) -> None:
    look = Look()
    with tracer.start_as_current_span("request"):
        start(look)
        current = look.again()
    assert not look.again().is_valid
    look.end()
    event = finished(wait_until, look.ident)
    assert event.span.span_id == current.span_id
    assert event.left_trace_at >= event.requested_at


def test_a_thread_that_nobody_asked_for_its_span_says_so(
    tracer: trace.Tracer, wait_until: WaitUntil
) -> None:
    with tracer.start_as_current_span("request"):
        ident = thread.start_new_thread(int, ())
        assert not finished(wait_until, ident).span_was_read


def test_threads_that_threads_start_are_in_the_trace_and_leave_it_as_well(
    tracer: trace.Tracer, wait_until: WaitUntil
) -> None:
    inner = Look()
    outer = threading.Event()

    def start_another() -> None:
        thread.start_new_thread(inner, ())
        outer.wait(20)

    with tracer.start_as_current_span("request") as request:
        thread.start_new_thread(start_another, ())
        assert inner.again().trace_id == request.get_span_context().trace_id
    assert not inner.again().is_valid
    inner.end()
    outer.set()


def test_a_thread_started_outside_of_any_span_finds_none(
    tracer: trace.Tracer, wait_until: WaitUntil
) -> None:
    look = Look()
    thread.start_new_thread(look, ())
    assert not look.again().is_valid
    look.end()
    event = finished(wait_until, look.ident)
    assert (event.starter_span, event.span) == (None, None)


def test_a_starter_that_is_not_sampled_keeps_its_thread_out_of_other_traces_until_it_is_gone(
    tracer: trace.Tracer, wait_until: WaitUntil
) -> None:
    look = Look()

    def request() -> None:
        unsampled: Span = NonRecordingSpan(SpanContext(5, 6, is_remote=True, trace_flags=TraceFlags(0)))
        with trace.use_span(unsampled):
            thread.start_new_thread(look, ())
            current = look.again()
            assert (current.trace_id, int(current.trace_flags)) == (5, 0)

    request()
    gc.collect()
    assert not look.again().is_valid
    look.end()


def test_workers_of_an_executor_belong_to_no_trace(
    tracer: trace.Tracer, wait_until: WaitUntil
) -> None:
    with ThreadPoolExecutor(1) as executor, tracer.start_as_current_span("first request") as request:
        seen = executor.submit(lambda: trace.get_current_span().get_span_context()).result()
        assert not seen.is_valid
        [worker] = executor._threads
        executor.shutdown()
        event = finished(wait_until, worker.ident)
    assert event.starter_span.span_id == request.get_span_context().span_id
    assert event.span is None


def test_an_exception_knows_the_span_of_its_thread(
    tracer: trace.Tracer, wait_until: WaitUntil, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda args: None)
    with tracer.start_as_current_span("request") as request:
        threading.Thread(target=lambda: 1 / 0).start()
        raised: list[UnhandledException] = []
        wait_until(lambda: raised.extend(e for e in read_events() if isinstance(e, UnhandledException)) or raised)
    assert raised[0].span.trace_id == request.get_span_context().trace_id


class TestBesideTheInstrumentationOfThreading:
    @pytest.fixture(autouse=True)
    def instrumentation(self) -> Iterator[None]:
        from opentelemetry.instrumentation.threading import ThreadingInstrumentor

        instrumentor = ThreadingInstrumentor()
        instrumentor.instrument()
        yield
        instrumentor.uninstrument()

    def test_what_is_done_in_a_thread_has_the_span_of_the_thread_for_its_one_parent(
        self, tracer: trace.Tracer, wait_until: WaitUntil
    ) -> None:
        look = Look()
        with tracer.start_as_current_span("request") as request:
            start_threading(look)
            current = look.again()
            look.end()
            event = finished(wait_until, look.ident)
        assert current.trace_id == request.get_span_context().trace_id
        assert current.span_id == event.span.span_id
        assert event.starter_span.span_id == request.get_span_context().span_id

    def test_baggage_goes_on_being_handed_over(self, tracer: trace.Tracer) -> None:
        seen: list[object] = []
        token = context.attach(baggage.set_baggage("tenant", "blue"))
        with tracer.start_as_current_span("request"):
            worker = threading.Thread(target=lambda: seen.append(baggage.get_baggage("tenant")))
            worker.start()
            worker.join()
        context.detach(token)
        assert seen == ["blue"]


def test_another_way_to_keep_the_context_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opentelemetry.context.attach", lambda context: object())
    monkeypatch.setattr("opentelemetry.context.detach", lambda token: None)
    with pytest.raises(RuntimeError, match="context variable"):
        opentelemetry_tracing()


def test_locks_threads_and_executors_of_the_sdk_are_not_observed(instrumented: ModuleType) -> None:
    from thread import telemetry

    def seen() -> set[str]:
        recorded = telemetry.snapshot()
        named = {each.name for each in (*recorded.locks, *recorded.executors)}
        return named | {each.target for each in recorded.threads}

    before = seen()
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(InMemorySpanExporter()))
    with provider.get_tracer("test").start_as_current_span("request"):
        pass
    provider.force_flush()
    provider.shutdown()
    assert [name for name in seen() - before if "test_otel_context" in name or "opentelemetry" in name] == []


def test_what_a_callback_makes_that_an_sdk_calls_is_observed(instrumented: ModuleType) -> None:
    from thread import telemetry

    class Processor(SpanProcessor):
        def on_start(self, span: Any, parent_context: Any = None) -> None:
            self.made_in_a_callback = threading.Lock()

    provider = TracerProvider()
    provider.add_span_processor(Processor())
    provider.get_tracer("test").start_span("request")
    assert [lock.name for lock in telemetry.snapshot().locks if lock.name.endswith("Processor.made_in_a_callback")]
