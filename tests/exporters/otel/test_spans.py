"""Spans of waits and threads, built from events with the real SDK."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from textwrap import dedent
from types import ModuleType
from typing import Any

import pytest
from conftest import WaitUntil
from handmade import GET, HOT, NOON, REFRESH, TRACEBACK, thread_finished
from opentelemetry import trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import SpanKind, StatusCode
from programs import output_of, run
from rows import waited_for

from thread.telemetry import Site, SlowWait, SpanContext, UnhandledException
from thread_exporters._otel import scope as _scope
from thread_exporters._otel.span_builder import MAX_STACK, SpanBuilder, stack_text
from thread_exporters.spans import SpansExporter

REQUEST = SpanContext(0xA1, 0xB1, trace_flags=1)
OTHER_REQUEST = SpanContext(0xA2, 0xB2, trace_flags=1, trace_state=(("vendor", "x"),))
THREAD = SpanContext(REQUEST.trace_id, 0xC1, trace_flags=1)

WAIT = SlowWait(
    lock=HOT,
    kind="lock",
    location="/app/shop/cache.py:17",
    ident=11,
    native_id=111,
    acquire_stack=(GET, Site("shop.web.page", "/app/shop/web.py", 84)),
    acquire_site=GET,
    owner_ident=22,
    owner_stack=(REFRESH,),
    owner_site=REFRESH,
    waiters=3,
    started_at=NOON,
    duration=0.22,
    gil_wait=0.02,
    outcome="acquired",
    span=REQUEST,
    owner_span=OTHER_REQUEST,
)
FINISHED = thread_finished()
RAISED = UnhandledException(
    type="ValueError",
    message="cannot charge",
    target="shop.worker:work",
    ident=11,
    native_id=111,
    at=NOON + 1.5,
    traceback=TRACEBACK,
    site=REFRESH,
)


class Backend:
    """A backend that collects the builder's spans and log records in a list."""

    def __init__(self, **options: Any) -> None:
        self._spans, self._records = InMemorySpanExporter(), InMemoryLogRecordExporter()
        self.tracer_provider = TracerProvider(**options)
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self._spans))
        self.logger_provider = LoggerProvider()
        self.logger_provider.add_log_record_processor(SimpleLogRecordProcessor(self._records))
        self.builder = SpanBuilder(self.tracer_provider, self.logger_provider)

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self._spans.get_finished_spans())

    @property
    def records(self) -> list[Any]:
        return [data.log_record for data in self._records.get_finished_logs()]

    def build(self, *events: Any) -> list[ReadableSpan]:
        self._spans.clear()
        self.builder.build(events)
        return self.spans


@pytest.fixture
def backend() -> Backend:
    return Backend()


def in_milliseconds(span: ReadableSpan) -> tuple[float, float]:
    return tuple([round((time_ns / 1e9 - NOON) * 1000, 1) for time_ns in (span.start_time, span.end_time)])


# ---- waits ----


def test_a_slow_wait_is_a_span_of_the_waiters_trace_linked_to_the_owners_span(backend: Backend) -> None:
    [span] = backend.build(WAIT)
    assert (span.name, span.kind) == (f"lock wait {HOT}", SpanKind.INTERNAL)
    assert in_milliseconds(span) == (0.0, 220.0)
    assert (span.context.trace_id, span.parent.span_id) == (REQUEST.trace_id, REQUEST.span_id)
    [link] = span.links
    assert (link.context.trace_id, link.context.span_id) == (OTHER_REQUEST.trace_id, OTHER_REQUEST.span_id)
    assert link.context.trace_state.get("vendor") == "x"
    assert dict(link.attributes) == {"python.lock.link": "owner"}


def test_a_wait_says_who_waited_for_whom_and_for_what(backend: Backend) -> None:
    [span] = backend.build(WAIT)
    attributes = dict(span.attributes)
    assert attributes.pop("python.lock.wait.lock.duration") == pytest.approx(0.2)
    assert attributes == {
        "python.lock.name": HOT,
        "python.lock.type": "lock",
        "code.function.name": GET.function,
        "code.file.path": GET.file,
        "code.line.number": GET.line,
        "thread.id": 11,
        "python.lock.owner.function.name": REFRESH.function,
        "python.lock.owner.file.path": REFRESH.file,
        "python.lock.owner.line.number": REFRESH.line,
        "python.lock.owner.thread.id": 22,
        "python.lock.waiters": 3,
        "python.lock.wait.outcome": "acquired",
        "python.lock.wait.gil.duration": 0.02,
        "code.stacktrace": '  File "/app/shop/web.py", line 84, in shop.web.page\n'
        f'  File "{GET.file}", line {GET.line}, in {GET.function}\n',
        "python.lock.owner.stacktrace": f'  File "{REFRESH.file}", line {REFRESH.line}, in {REFRESH.function}\n',
    }


def test_a_wait_outside_of_any_trace_begins_one(backend: Backend) -> None:
    [span] = backend.build(replace(WAIT, span=None))
    assert span.parent is None
    assert span.context.trace_id not in (REQUEST.trace_id, OTHER_REQUEST.trace_id)
    assert len(span.links) == 1


def test_nobody_is_linked_where_no_span_owned_the_lock(backend: Backend) -> None:
    [span] = backend.build(replace(WAIT, owner_span=None, owner_ident=0, owner_stack=(), gil_wait=None))
    assert not span.links
    assert not [name for name in span.attributes if ".owner." in name or name.endswith("gil.duration")]


@pytest.mark.parametrize("outcome", ["timed out", "interrupted"])
def test_a_wait_in_vain_is_an_error(backend: Backend, outcome: Any) -> None:
    [span] = backend.build(replace(WAIT, outcome=outcome))
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, outcome)


def test_a_wait_tells_the_task_whose_loop_was_held_up(backend: Backend) -> None:
    [span] = backend.build(replace(WAIT, task="poller"))
    assert span.attributes["python.asyncio.task.name"] == "poller"


def test_the_wait_of_a_request_that_is_not_sampled_is_not_either(backend: Backend) -> None:
    assert backend.build(replace(WAIT, span=replace(REQUEST, trace_flags=0))) == []


def test_each_lock_has_so_many_spans_a_second_and_the_rest_are_told(backend: Backend) -> None:
    waits = [replace(WAIT, started_at=NOON + number * 0.001) for number in range(1000)]
    others = [replace(wait, lock="other") for wait in waits[:50]]
    dropped = backend.builder.build([*waits, *others])
    names = [span.name for span in backend.spans]
    assert names.count("lock wait other") == 50
    assert names.count(f"lock wait {HOT}") == 109  # 100 at once, and 10 a second
    assert dropped == 1000 - 109


def test_the_innermost_frames_of_a_long_stack_are_kept() -> None:
    text = stack_text(Site(f"function_{number}", "/file.py", number) for number in range(1000))
    assert len(text) <= MAX_STACK + 4
    assert text.startswith("  …\n")
    assert text.endswith('line 0, in function_0\n')


# ---- threads ----


def test_a_thread_that_its_starter_outlived_is_a_child_under_the_identifier_it_had(backend: Backend) -> None:
    [span] = backend.build(replace(FINISHED, starter_span=REQUEST, span=THREAD, span_was_read=True))
    assert (span.name, in_milliseconds(span)) == ("thread shop.worker:work", (1.0, 2001.0))
    assert (span.context.trace_id, span.context.span_id) == (THREAD.trace_id, THREAD.span_id)
    assert span.parent.span_id == REQUEST.span_id
    assert not span.links


def test_a_thread_says_how_it_went(backend: Backend) -> None:
    [span] = backend.build(FINISHED)
    assert dict(span.attributes) == {
        "python.thread.target": "shop.worker:work",
        "thread.id": 11,
        "python.thread.native_id": 111,
        "python.thread.start.duration": 0.001,
        "python.thread.cpu.time": 0.5,
        "python.thread.outcome": "returned",
        "python.thread.starter.function.name": GET.function,
        "python.thread.starter.file.path": GET.file,
        "python.thread.starter.line.number": GET.line,
    }


LEFT = replace(FINISHED, starter_span=REQUEST, span=THREAD, left_trace_at=NOON + 0.5)


def test_a_thread_that_outlived_its_starter_has_a_trace_of_its_own_linked_to_its_starter(backend: Backend) -> None:
    [span] = backend.build(LEFT)
    assert (span.parent, in_milliseconds(span)) == (None, (1.0, 2001.0))
    assert span.context.trace_id != REQUEST.trace_id
    [link] = span.links
    assert link.context.span_id == REQUEST.span_id
    assert dict(link.attributes) == {"python.thread.link": "starter"}


@pytest.mark.parametrize(
    "events",
    [(replace(LEFT, span_was_read=True),), (replace(WAIT, span=THREAD), LEFT)],
    ids=["somebody asked for the span", "a wait has it for its parent"],
)
def test_what_was_done_before_a_thread_left_the_trace_has_a_parent_there(backend: Backend, events: Any) -> None:
    *_, lifetime, part = backend.build(*events)
    assert lifetime.parent is None
    assert (part.context.trace_id, part.context.span_id) == (THREAD.trace_id, THREAD.span_id)
    assert (part.parent.span_id, in_milliseconds(part)) == (REQUEST.span_id, (1.0, 500.0))
    [link] = part.links
    assert link.context.span_id == lifetime.context.span_id


def test_a_worker_of_an_executor_is_linked_to_its_starter(backend: Backend) -> None:
    [span] = backend.build(replace(FINISHED, starter_span=REQUEST))
    assert (span.parent, [link.context.span_id for link in span.links]) == (None, [REQUEST.span_id])


def test_each_target_has_so_many_threads_a_second_and_the_rest_are_told(backend: Backend) -> None:
    ends = [replace(FINISHED, requested_at=NOON + number * 0.001) for number in range(1000)]
    assert backend.builder.build(ends) == 1000 - 109
    assert len(backend.spans) == 109


def test_a_thread_whose_span_is_a_parent_is_never_dropped(backend: Backend) -> None:
    child = replace(FINISHED, starter_span=REQUEST, span=THREAD, span_was_read=True)
    assert backend.builder.build([child] * 1000) == 0


def test_an_identifier_is_given_to_one_span_only(backend: Backend) -> None:
    child = replace(FINISHED, starter_span=REQUEST, span=THREAD)
    first, second = backend.build(child, FINISHED)
    assert first.context.span_id == THREAD.span_id
    assert second.context.span_id != THREAD.span_id


# ---- exceptions ----


@pytest.fixture
def opt_in(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Backend]:
    def opt_in(value: str) -> Backend:
        monkeypatch.setenv("OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN", value)
        return Backend()

    return opt_in


@pytest.mark.parametrize(
    ("value", "events", "records"), [("", 1, 0), ("logs", 0, 1), ("logs/dup", 1, 1), ("http,logs/dup", 1, 1)]
)
def test_an_exception_is_sent_by_the_signals_that_the_semantic_conventions_say(
    opt_in: Callable[[str], Backend], value: str, events: int, records: int
) -> None:
    backend = opt_in(value)
    [span] = backend.build(RAISED, replace(FINISHED, outcome="raised"))
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "ValueError: cannot charge")
    assert span.attributes["error.type"] == "ValueError"
    assert (len(span.events), len(backend.records)) == (events, records)
    expected = {
        "exception.type": "ValueError",
        "exception.message": "cannot charge",
        "exception.stacktrace": TRACEBACK,
    }
    for event in span.events:
        assert (event.name, event.timestamp, dict(event.attributes)) == ("exception", int((NOON + 1.5) * 1e9), expected)
    for record in backend.records:
        assert (record.trace_id, record.span_id) == (span.context.trace_id, span.context.span_id)
        assert (record.event_name, record.severity_text) == ("exception", "ERROR")
        assert expected.items() <= dict(record.attributes).items()


def test_the_exception_of_a_future_is_a_log_record_of_the_span_that_its_task_ran_in(
    opt_in: Callable[[str], Backend],
) -> None:
    backend = opt_in("logs")
    assert backend.build(replace(RAISED, source="future", span=REQUEST)) == []
    [record] = backend.records
    assert (record.trace_id, record.span_id) == (REQUEST.trace_id, REQUEST.span_id)


def test_an_exception_whose_thread_was_not_seen_to_end_is_sent_at_the_end(opt_in: Callable[[str], Backend]) -> None:
    backend = opt_in("logs")
    backend.build(RAISED)
    assert backend.records == []
    backend.builder.finish()
    assert len(backend.records) == 1


# ---- with providers ----


def test_all_has_the_scope_of_the_project(backend: Backend) -> None:
    [span] = backend.build(WAIT)
    scope = span.instrumentation_scope
    assert (scope.name, scope.version, scope.schema_url) == (_scope.NAME, _scope.VERSION, _scope.SCHEMA_URL)
    assert scope.schema_url.startswith("https://opentelemetry.io/schemas/1.")


def test_the_sampler_of_the_provider_decides() -> None:
    backend = Backend(sampler=ParentBased(TraceIdRatioBased(0.0)))
    assert len(backend.build(WAIT)) == 1
    assert backend.build(replace(WAIT, span=None)) == []


def test_without_an_sdk_nothing_is_built_and_nothing_fails() -> None:
    assert SpanBuilder(trace.NoOpTracerProvider(), None).build([WAIT, RAISED, FINISHED]) == 0


def test_where_nobody_sets_a_provider_one_line_says_so_at_the_end() -> None:
    program = """
        import threading
        from thread import telemetry
        telemetry.instrument()
        telemetry.start("spans")
        worker = threading.Thread(target=int)
        worker.start()
        worker.join()
    """
    finished = run(program)
    assert (finished.returncode, finished.stdout) == (0, "")
    [line] = finished.stderr.splitlines()
    assert "lost the spans of 1 events, because no tracer provider is set" in line
    set_late = """
        from opentelemetry import trace
        from opentelemetry.sdk.trace import TracerProvider
        trace.set_tracer_provider(TracerProvider())
    """
    assert output_of(dedent(program) + dedent(set_late)) == []


@pytest.fixture
def exporter(instrumented: ModuleType, telemetry: ModuleType, backend: Backend) -> Iterator[SpansExporter]:
    exporter = SpansExporter(backend.tracer_provider, backend.logger_provider)
    telemetry.start(exporter, slow_wait=0.005, export_interval=0.01)
    yield exporter
    telemetry.stop()
    assert telemetry.snapshot().coverage.faults == 0


def test_a_request_that_waits_is_linked_to_the_request_that_held_the_lock(
    exporter: SpansExporter, backend: Backend, core: ModuleType, wait_until: WaitUntil
) -> None:
    tracer = backend.tracer_provider.get_tracer("shop")
    guard = threading.Lock()
    held = threading.Event()

    def refresh() -> None:
        with tracer.start_as_current_span("refresh"), guard:
            held.set()
            wait_until(lambda: any(name.endswith(".guard") for name in waited_for(core)))
            time.sleep(0.05)

    threading.Thread(target=refresh).start()
    assert held.wait(10)
    before = time.time()
    with tracer.start_as_current_span("request") as request:
        guard.acquire()
    after = time.time()
    waits: list[ReadableSpan] = []
    wait_until(lambda: waits.extend(span for span in backend.spans if span.name.startswith("lock wait")) or waits)
    [refreshing] = [span for span in backend.spans if span.name == "refresh"]
    wait = waits[0]
    assert wait.parent.span_id == request.get_span_context().span_id
    assert wait.links[0].context.span_id == refreshing.context.span_id
    assert before - 0.001 <= wait.start_time / 1e9 <= wait.end_time / 1e9 <= after + 0.001


def test_a_span_that_a_thread_makes_is_a_child_of_the_span_of_the_thread(
    exporter: SpansExporter, backend: Backend, wait_until: WaitUntil
) -> None:
    tracer = backend.tracer_provider.get_tracer("shop")

    def work() -> None:
        with tracer.start_as_current_span("query"):
            pass

    with tracer.start_as_current_span("request") as request:
        worker = threading.Thread(target=work)
        worker.start()
        worker.join()
        wait_until(lambda: any(span.name.startswith("thread ") for span in backend.spans))
    spans = {span.name.partition(" ")[0]: span for span in backend.spans}
    assert spans["query"].parent.span_id == spans["thread"].context.span_id
    assert spans["thread"].parent.span_id == request.get_span_context().span_id


def test_once_stopped_nothing_is_current_in_threads(
    instrumented: ModuleType, telemetry: ModuleType, backend: Backend
) -> None:
    telemetry.start(SpansExporter(backend.tracer_provider, backend.logger_provider))
    telemetry.stop()
    seen: list[Any] = []
    with backend.tracer_provider.get_tracer("shop").start_as_current_span("request"):
        worker = threading.Thread(target=lambda: seen.append(trace.get_current_span().get_span_context()))
        worker.start()
        worker.join()
    assert not seen[0].is_valid
