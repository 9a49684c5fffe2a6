"""Spans of threads: read from a tracing library's own place, here one of the test's own."""

from __future__ import annotations

import gc
import time
import weakref
from collections.abc import Iterator
from contextvars import ContextVar, copy_context
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from conftest import WaitUntil
from rows import event_rows, waited_for

import thread
from thread._rows import ThreadFinishedRow, UnhandledExceptionRow

KEY = "current-span"
NOWHERE = (0, 0)


class Span:
    def __init__(self, *identifiers: int) -> None:
        self._context = identifiers


class ThreadSpan:
    """Made by the core: the two attributes are all it knows."""

    starter: Any
    starter_context: Any


class Library:
    """Keeps the current span as OpenTelemetry does."""

    def __init__(self) -> None:
        self.variable: ContextVar[Any] = ContextVar("spans")
        self.span_key = KEY
        self.context_attribute = "_context"
        self.context_type = dict
        self.thread_span_type = ThreadSpan
        self.prepared: list[object] = []
        self.joins: object = True
        self.open: Span | None = None

    def enter(self, *identifiers: int) -> Span:
        span = Span(*identifiers)
        self.variable.set({KEY: span})
        return span

    def leave(self) -> None:
        self.variable.set({})

    def prepare_thread(self, function: object, span: object) -> object:
        self.prepared.append(function)
        return self.joins


@pytest.fixture
def library(core: ModuleType) -> Iterator[Library]:
    library = Library()
    core.set_tracing(library)
    core.configure(listening=True, slow_wait_ns=1_000_000)
    yield library
    core.set_tracing(None)


def in_context(function: Any, *args: Any) -> Any:
    """Call it so that the context variables of this thread stay what they are."""
    return copy_context().run(function, *args)


def test_the_span_that_this_thread_runs_in(core: ModuleType, library: Library) -> None:
    def look() -> list[object]:
        seen = [core.current_span()]
        library.enter(5, 6)
        seen.append(core.current_span())
        library.leave()
        return [*seen, core.current_span()]

    assert in_context(look) == [None, (5, 6), None]


@pytest.mark.parametrize(
    "current",
    [None, 7, {}, {KEY: None}, {KEY: 7}, {KEY: Span()}, {KEY: Span(0, 0)}, {KEY: SimpleNamespace(_context=5)}],
    ids=repr,
)
def test_what_identifies_no_trace_is_no_span(core: ModuleType, library: Library, current: object) -> None:
    def look() -> object:
        library.variable.set(current)
        return core.current_span()

    assert in_context(look) is None
    assert core.internal_errors() == 0


def test_no_code_of_the_tracing_library_runs_to_read_a_span(core: ModuleType, library: Library) -> None:
    class Curious:
        @property
        def _context(self) -> object:
            raise AssertionError("was asked")

        def __getattr__(self, name: str) -> object:
            raise AssertionError("was asked")

    def look() -> object:
        library.variable.set({KEY: Curious()})
        return core.current_span()

    assert in_context(look) is None


def wait_for_an_owner(
    core: ModuleType,
    library: Library,
    wait_until: WaitUntil,
    waiter_span: tuple[int, int],
    owner_span: tuple[int, int],
) -> tuple[Any, ...]:
    """Both spans in the record of a slow wait in one span for a lock that a thread in another span holds."""
    lock = thread.allocate_lock(name="wanted")
    held = thread.allocate_lock()
    held.acquire()

    def own() -> None:
        library.enter(*owner_span)
        with lock:
            held.release()
            wait_until(lambda: "wanted" in waited_for(core))
            time.sleep(0.02)  # longer than what counts as slow

    def wait() -> None:
        library.enter(*waiter_span)
        with lock:
            pass

    thread.start_new_thread(own, ())
    assert held.acquire(timeout=10)
    in_context(wait)
    [event] = [event for event in event_rows(core, "slow_wait") if event.lock == "wanted"]
    return event.span, event.owner_span


@pytest.mark.parametrize(
    ("waiter", "owner", "recorded"),
    [((1, 2), (3, 4), ((1, 2), (3, 4))), (NOWHERE, (3, 4), (None, (3, 4))), ((1, 2), NOWHERE, ((1, 2), None))],
)
def test_a_slow_wait_knows_the_span_of_the_waiter_and_that_of_the_owner(
    core: ModuleType, library: Library, wait_until: WaitUntil, waiter: Any, owner: Any, recorded: Any
) -> None:
    assert wait_for_an_owner(core, library, wait_until, waiter, owner) == recorded


def test_nothing_is_read_once_nothing_traces(core: ModuleType, library: Library, wait_until: WaitUntil) -> None:
    core.set_tracing(None)
    assert wait_for_an_owner(core, library, wait_until, (1, 2), (3, 4)) == (None, None)


def start_in_a_span(library: Library, function: Any) -> None:
    def start() -> None:
        library.open = library.enter(8, 9)
        thread.start_new_thread(function, ())

    in_context(start)


def finished_event(core: ModuleType, wait_until: WaitUntil) -> ThreadFinishedRow:
    found: list[ThreadFinishedRow] = []
    wait_until(lambda: found.extend(event_rows(core, "thread_finished")) or found)
    return found[0]


def test_a_thread_started_in_a_span_has_a_span_of_its_own_that_knows_its_starter(
    core: ModuleType, library: Library, wait_until: WaitUntil
) -> None:
    seen: list[Any] = []

    def work() -> None:
        seen.extend((library.variable.get(), core.current_span()))

    def start() -> None:
        span = library.enter(8, 9)
        thread.start_new_thread(work, ())
        event = finished_event(core, wait_until)
        thread_span = event.thread_span
        assert type(thread_span) is ThreadSpan
        assert (thread_span.starter(), thread_span.starter_context) == (span, (8, 9))
        assert (event.starter_span, event.starter_span_itself) == ((8, 9), span)
        assert seen == [{KEY: thread_span}, thread_span]

    in_context(start)
    assert library.prepared == []


@pytest.mark.parametrize("joins", [True, False])
def test_the_tracing_library_decides_about_methods_which_may_be_those_of_threads(
    core: ModuleType, library: Library, wait_until: WaitUntil, joins: bool
) -> None:
    library.joins = joins
    seen: list[Any] = []

    class Worker:
        def work(self) -> None:
            seen.append(core.current_span() is not None)

    method = Worker().work
    start_in_a_span(library, method)
    event = finished_event(core, wait_until)
    assert (event.starter_span, event.thread_span is not None) == ((8, 9), joins)
    assert (seen, library.prepared) == ([joins], [method])


def test_a_thread_that_outlives_the_span_it_was_started_in_ends_without_it(
    core: ModuleType, library: Library, wait_until: WaitUntil
) -> None:
    gate = thread.allocate_lock()
    gate.acquire()
    reference = start_waiting_in_a_span(library, gate)
    gc.collect()
    wait_until(lambda: reference() is None)
    gate.release()
    assert finished_event(core, wait_until).starter_span_itself is None


def start_waiting_in_a_span(library: Library, gate: Any) -> weakref.ref[Span]:
    def start() -> weakref.ref[Span]:
        span = library.enter(8, 9)
        thread.start_new_thread(gate.acquire, ())
        return weakref.ref(span)

    return in_context(start)  # type: ignore[no-any-return]


def test_a_thread_started_in_no_span_is_none_of_its_business(
    core: ModuleType, library: Library, wait_until: WaitUntil
) -> None:
    thread.start_new_thread(int, ())
    assert finished_event(core, wait_until)[10:] == (None, None, None)
    assert library.prepared == []


def test_an_exception_knows_the_span_that_it_was_raised_in(
    core: ModuleType, library: Library, wait_until: WaitUntil, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.unraisablehook", lambda args: None)
    start_in_a_span(library, lambda: 1 / 0)
    raised: list[UnhandledExceptionRow] = []
    wait_until(lambda: raised.extend(event_rows(core, "unhandled_exception")) or raised)
    assert type(raised[0].span) is ThreadSpan


def test_a_failing_tracing_library_is_counted_and_the_thread_goes_on(
    core: ModuleType, library: Library, wait_until: WaitUntil
) -> None:
    ran: list[object] = []
    library.context_type = lambda entries: 1 / 0  # type: ignore[assignment]
    core.set_tracing(library)
    start_in_a_span(library, lambda: ran.append(1))
    assert finished_event(core, wait_until)[9:] == ("returned", (8, 9), None, None)
    assert ran == [1]
    assert core.internal_errors() == 1


def test_what_holds_the_current_span_must_be_a_context_variable(core: ModuleType) -> None:
    library = Library()
    library.variable = {}  # type: ignore[assignment]
    with pytest.raises(TypeError, match="must be a ContextVar, not dict"):
        core.set_tracing(library)
    with pytest.raises(AttributeError):
        core.set_tracing(object())
    library = Library()
    library.thread_span_type = "span"  # type: ignore[assignment]
    with pytest.raises(TypeError, match="must be a class, not str"):
        core.set_tracing(library)
    assert core.current_span() is None
