"""Threads: what is recorded from the request to the end, and what the interpreter does all the same."""

from __future__ import annotations

import functools
import gc
import sys
import threading
import time
import weakref
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from conftest import WaitUntil
from rows import event_rows, exception_rows, live_thread_rows, target_row, target_rows

import thread


def sleep_briefly() -> None:
    time.sleep(0.02)


def test_a_thread_is_counted_from_start_to_end(core: ModuleType, wait_until: WaitUntil) -> None:
    for _ in range(5):
        thread.start_new_thread(sleep_briefly, ())
    wait_until(lambda: target_row(core, f"{__name__}:sleep_briefly").finished == 5)
    recorded = target_row(core, f"{__name__}:sleep_briefly")
    assert recorded.started == 5
    assert recorded.start_delay.recorded == recorded.lifetime.recorded == 5
    assert 0.1 <= recorded.lifetime.sum_ns / 1e9 < 60
    assert 0 < recorded.cpu_time_ns < recorded.lifetime.sum_ns + recorded.start_delay.sum_ns


def test_cpu_time_is_that_of_the_thread(core: ModuleType, wait_until: WaitUntil) -> None:
    def burn() -> None:
        while time.thread_time() < 0.05:
            pass

    thread.start_new_thread(burn, (), name="burner")
    wait_until(lambda: target_row(core, "burner").finished == 1)
    assert 0.05e9 <= target_row(core, "burner").cpu_time_ns < 60e9


def test_a_running_thread_is_listed_until_it_ends(core: ModuleType, wait_until: WaitUntil) -> None:
    stop = thread.allocate_lock()
    stop.acquire()
    native = []

    def run() -> None:
        native.append(thread.get_native_id())
        stop.acquire()

    ident = thread.start_new_thread(run, (), name="listed")
    wait_until(lambda: native)
    [listed] = live_thread_rows(core)
    assert (listed.ident, listed.native_id, listed.target) == (ident, native[0], "listed")
    assert 0 < listed.started_ns <= core.monotonic_ns()
    stop.release()
    wait_until(lambda: not core.read_live_threads())


def test_arguments_reach_the_function(core: ModuleType, wait_until: WaitUntil) -> None:
    got: list[Any] = []
    thread.start_new_thread(lambda *args, **kwargs: got.append((args, kwargs)), (1, 2), {"x": 3})
    wait_until(lambda: got)
    assert got == [((1, 2), {"x": 3})]


class Service:
    def serve(self) -> None:
        pass

    def __call__(self) -> None:
        pass


@pytest.mark.parametrize(
    ("function", "target"),
    [
        (sleep_briefly, "sleep_briefly"),
        (Service().serve, "Service.serve"),
        (Service(), "Service"),
        (functools.partial(functools.partial(sleep_briefly)), "sleep_briefly"),
    ],
)
def test_a_target_is_called_after_its_function(
    core: ModuleType, wait_until: WaitUntil, function: Callable[[], None], target: str
) -> None:
    thread.start_new_thread(function, ())
    wait_until(lambda: target_row(core, f"{__name__}:{target}").finished == 1)


def test_a_name_takes_the_place_of_the_functions(core: ModuleType, wait_until: WaitUntil) -> None:
    thread.start_new_thread(sleep_briefly, (), name="refresher")
    wait_until(lambda: target_row(core, "refresher").finished == 1)
    with pytest.raises(TypeError, match="a thread's name must be a str or None, not int"):
        thread.start_new_thread(sleep_briefly, (), name=3)  # type: ignore[arg-type]


BAD_STARTS: list[tuple[tuple[Any, ...], str]] = [
    ((1, ()), "first arg must be callable"),
    ((print, []), "2nd arg must be a tuple"),
    ((print, (), []), "optional 3rd arg must be a dictionary"),
    ((print,), "start_new_thread expected at least 2 arguments, got 1"),
    ((print, (), {}, 4), "start_new_thread expected at most 3 arguments, got 4"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD_STARTS)
def test_bad_arguments_start_and_count_nothing(core: ModuleType, arguments: tuple[Any, ...], message: str) -> None:
    before = thread._count()
    with pytest.raises(TypeError, match=message):
        thread.start_new_thread(*arguments)
    assert thread._count() == before
    assert all(row.started == 0 for row in target_rows(core))


class Trouble(Exception):
    pass


def fail() -> None:
    raise Trouble("no more water")


def test_an_unhandled_exception_is_recorded_and_printed_as_ever(
    core: ModuleType, wait_until: WaitUntil, monkeypatch: pytest.MonkeyPatch
) -> None:
    printed: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda args: printed.append((args.object, args.err_msg, args.exc_value)))
    core.configure(listening=True)
    thread.start_new_thread(fail, ())
    wait_until(lambda: target_row(core, f"{__name__}:fail").finished == 1)

    [(culprit, message, exception)] = printed
    assert isinstance(exception, Trouble)
    if sys.version_info >= (3, 13):
        assert (culprit, message) == (None, f"Exception ignored in thread started by {fail!r}")
    else:
        assert culprit is fail
        assert message.startswith("Exception ignored in thread started by")
    assert exception.__traceback__ is not None
    assert exception.__traceback__.tb_frame.f_code is fail.__code__

    [event, finished] = event_rows(core)
    traceback = str(event.traceback)
    assert event.event == "unhandled_exception"
    assert (event.type, event.message, event.target) == (f"{__name__}.Trouble", "no more water", f"{__name__}:fail")
    assert event.ident and event.native_id and event.at_ns <= core.monotonic_ns()
    assert traceback.startswith("Traceback (most recent call last):")
    assert 'raise Trouble("no more water")' in traceback
    assert "thread/_" not in traceback
    assert event.site.function == f"{__name__}.fail"
    assert (finished.event, finished.outcome) == ("thread_finished", "raised")
    [total] = exception_rows()
    assert (total.type, total.target, total.occurrences) == (f"{__name__}.Trouble", f"{__name__}:fail", 1)
    assert total.last_traceback == traceback
    printed.clear()


def test_an_exception_is_not_kept_alive(
    core: ModuleType, wait_until: WaitUntil, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "unraisablehook", lambda args: None)
    references = []

    class Payload:
        pass

    def fail_with_payload() -> None:
        payload = Payload()
        references.append(weakref.ref(payload))
        raise Trouble(payload)

    thread.start_new_thread(fail_with_payload, (), name="payload")
    wait_until(lambda: target_row(core, "payload").finished == 1)

    def collected() -> bool:
        gc.collect()
        return references[0]() is None

    wait_until(collected)


def test_arguments_are_not_kept_alive(core: ModuleType, wait_until: WaitUntil) -> None:
    service = Service()
    reference = weakref.ref(service)
    thread.start_new_thread(lambda argument: None, (service,), name="argument")
    del service
    wait_until(lambda: target_row(core, "argument").finished == 1 and reference() is None)


def test_system_exit_ends_a_thread_in_silence(
    core: ModuleType, wait_until: WaitUntil, capfd: pytest.CaptureFixture[str]
) -> None:
    core.configure(listening=True)
    thread.start_new_thread(thread.exit, (), name="leaver")
    wait_until(lambda: target_row(core, "leaver").finished == 1)
    [event] = event_rows(core)
    assert (event.event, event.outcome) == ("thread_finished", "exited")
    assert exception_rows() == []
    assert capfd.readouterr() == ("", "")


def test_the_end_of_a_thread_is_an_event_that_names_its_starter(core: ModuleType, wait_until: WaitUntil) -> None:
    core.configure(listening=True)
    ident = thread.start_new_thread(sleep_briefly, (), name="told")
    wait_until(lambda: target_row(core, "told").finished == 1)
    [event] = event_rows(core, "thread_finished")
    assert (event.starter_span, event.thread_span, event.starter_span_itself) == (None, None, None)
    assert (event.ident, event.target, event.outcome) == (ident, "told", "returned")
    assert event.starter.function.endswith("test_the_end_of_a_thread_is_an_event_that_names_its_starter")
    assert 0 < event.requested_ns <= core.monotonic_ns()
    assert event.start_delay_ns >= 0
    assert event.lifetime_ns >= 0.02e9
    assert event.cpu_time_ns >= 0


def test_threads_of_the_telemetry_are_not_counted_nor_are_those_they_start(
    core: ModuleType, wait_until: WaitUntil
) -> None:
    done: list[int] = []

    def outer() -> None:
        done.append(core.untracked_count())
        thread.start_new_thread(lambda: done.append(core.untracked_count()), ())

    core.enter_untracked()
    try:
        thread.start_new_thread(outer, ())
    finally:
        core.leave_untracked()
    wait_until(lambda: len(done) == 2)
    wait_until(lambda: core.untracked_count() == 0)
    assert all(row.started == 0 for row in target_rows(core))
    assert core.read_live_threads() == []


def test_threads_that_run_while_counts_are_zeroed_stay_running(core: ModuleType, wait_until: WaitUntil) -> None:
    stop = thread.allocate_lock()
    stop.acquire()
    thread.start_new_thread(stop.acquire, (), name="survivor")
    wait_until(core.read_live_threads)
    core.reset()
    assert (target_row(core, "survivor").started, target_row(core, "survivor").finished) == (1, 0)
    stop.release()
    wait_until(lambda: target_row(core, "survivor").finished == 1)


@pytest.fixture
def observed_threading(core: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    if sys.version_info >= (3, 13):
        monkeypatch.setattr(threading, "_start_joinable_thread", thread.start_joinable_thread)
    else:
        monkeypatch.setattr(threading, "_start_new_thread", thread.start_new_thread)


@pytest.mark.usefixtures("observed_threading")
def test_a_threading_thread_is_called_after_what_it_runs(core: ModuleType, wait_until: WaitUntil) -> None:
    class Worker(threading.Thread):
        def run(self) -> None:
            pass

    plain = threading.Thread(target=sleep_briefly)
    worker = Worker()
    for each in (plain, worker):
        each.start()
        each.join()
    wait_until(lambda: target_row(core, f"{__name__}:sleep_briefly").finished == 1)
    wait_until(lambda: target_row(core, f"{__name__}:{Worker.run.__qualname__}").finished == 1)


@pytest.mark.usefixtures("observed_threading")
def test_an_exception_in_a_threading_thread_is_recorded_and_its_hook_still_called(
    core: ModuleType, wait_until: WaitUntil, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooked: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: hooked.append((args.exc_type, args.thread)))
    for target in (fail, thread.exit):
        each = threading.Thread(target=target)
        each.start()
        each.join()
    wait_until(lambda: target_row(core, f"{__name__}:fail").finished == 1)
    assert hooked[0] == (Trouble, hooked[0][1])
    assert [name for name, *_ in hooked] == [Trouble, SystemExit]
    assert [(row.type, row.occurrences) for row in exception_rows()] == [(f"{__name__}.Trouble", 1)]
    hooked.clear()


@pytest.mark.usefixtures("observed_threading")
def test_a_finished_threading_thread_is_not_kept_alive(core: ModuleType, wait_until: WaitUntil) -> None:
    each = threading.Thread(target=sleep_briefly)
    each.start()
    each.join()
    reference = weakref.ref(each)
    del each

    def collected() -> bool:
        gc.collect()
        return reference() is None

    wait_until(collected)


@pytest.mark.skipif(sys.version_info < (3, 13), reason="the interpreter has it since 3.13")
def test_a_joinable_thread_is_observed_and_can_be_joined(core: ModuleType) -> None:
    done: list[int] = []
    handle = thread.start_joinable_thread(lambda: done.append(1), name="joinable")
    handle.join()
    assert done == [1]
    assert target_row(core, "joinable").finished == 1
