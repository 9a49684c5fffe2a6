from __future__ import annotations

import signal
import threading
import time
from types import ModuleType

import pytest
from conftest import WaitUntil
from programs import output_of, run
from rows import lock_names, target_rows

from thread._process.flags import Alarm, Flag
from thread._process.own_threads import start_own_thread


def test_a_flag_is_waited_for_by_as_many_as_want() -> None:
    flag = Flag()
    assert not flag.wait(0.001)
    flag.set()
    flag.set()
    assert flag.wait(0)
    assert flag.wait(0)


def test_one_that_was_interrupted_while_waiting_is_in_nobodys_way() -> None:
    flag = Flag()
    flag.set()
    flag._lock.acquire()  # as a waiter has when a signal handler interrupts it
    began = time.monotonic()
    assert flag.wait(120)
    assert time.monotonic() - began < 60
    flag.set()
    assert flag.wait(0)


def test_a_flag_wakes_all_that_sleep(wait_until: WaitUntil) -> None:
    flag = Flag()
    asleep, woken = [], []

    def sleep() -> None:
        asleep.append(True)
        woken.append(flag.wait(60))

    for _ in range(3):
        start_own_thread(sleep)
    wait_until(lambda: len(asleep) == 3)
    time.sleep(0.02)
    flag.set()
    wait_until(lambda: woken == [True] * 3)


def test_an_alarm_is_over_when_it_has_rung() -> None:
    alarm = Alarm()
    alarm.ring()
    alarm.ring()
    assert alarm.sleep(0)
    assert not alarm.sleep(0.001)


def test_a_time_that_is_up_already_is_no_error() -> None:
    assert not Flag().wait(-1)
    assert not Alarm().sleep(-1)


def test_a_flag_ends_the_sleep_of_another_thread() -> None:
    flag, woken = Flag(), Flag()
    start_own_thread(lambda: flag.wait(30) and woken.set())
    flag.set()
    assert woken.wait(10)


def test_our_threads_are_not_observed_and_not_listed(core: ModuleType) -> None:
    before = threading.enumerate()
    arrived, go = Flag(), Flag()

    def work() -> None:
        arrived.set()
        go.wait(30)

    start_own_thread(work)
    try:
        assert arrived.wait(10)
        assert core.untracked_count() == 1
        assert not any(row.started for row in target_rows(core))
        assert not core.read_live_threads()
        assert threading.enumerate() == before
    finally:
        go.set()


def test_locks_that_they_create_are_not_observed(core: ModuleType, wait_until: WaitUntil) -> None:
    locks: list[object] = []
    start_own_thread(lambda: locks.append(core.allocate_lock(name="test_own_threads")))
    wait_until(lambda: locks)
    assert "test_own_threads" not in lock_names(core)


def test_what_threading_invents_for_them_is_forgotten_when_they_end(core: ModuleType, wait_until: WaitUntil) -> None:
    before = threading.enumerate()
    names = []
    start_own_thread(lambda: names.append(threading.current_thread().name))
    wait_until(lambda: names and core.untracked_count() == 0)
    assert threading.enumerate() == before


def test_an_error_in_one_is_counted_and_not_printed(
    core: ModuleType, wait_until: WaitUntil, capfd: pytest.CaptureFixture[str]
) -> None:
    start_own_thread(lambda: 1 // 0)
    wait_until(lambda: core.internal_errors() == 1)
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="there are no signal masks here")
def test_signals_that_the_program_waits_for_are_not_delivered_to_our_threads() -> None:
    assert output_of(
        """
        import os, signal, time
        from thread._process.flags import Flag
        from thread._process.own_threads import start_own_thread

        arrived, done = Flag(), Flag()
        start_own_thread(lambda: arrived.set() or done.wait(30))
        assert arrived.wait(10)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
        os.kill(os.getpid(), signal.SIGUSR1)     # ends the process if there is a thread that lets it through
        print(signal.sigwait({signal.SIGUSR1}).name)
        """
    ) == ["SIGUSR1"]


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="there are no signal masks here")
def test_a_crash_in_one_of_them_can_be_caught() -> None:
    masks: list[set[int]] = []
    done = Flag()

    def work() -> None:
        masks.append(signal.pthread_sigmask(signal.SIG_BLOCK, ()))
        done.set()

    start_own_thread(work)
    assert done.wait(10)
    assert signal.SIGINT in masks[0]
    assert signal.SIGSEGV not in masks[0]


def test_small_stacks_are_for_the_programs_own_threads() -> None:
    assert output_of(
        """
        import _thread
        from functools import partial
        from thread._process.flags import Flag
        from thread._process.own_threads import start_own_thread

        def deep(levels):
            return 1 if levels == 0 else next(map(partial(deep), [levels - 1]))

        done = Flag()
        _thread.stack_size(64 * 1024)
        start_own_thread(lambda: deep(300) and done.set())
        assert done.wait(10)
        print(_thread.stack_size())
        """
    ) == ["65536"]


def test_locks_and_threads_of_ours_are_not_observed_from_the_start_of_the_interpreter() -> None:
    finished = run(
        """
        from thread import telemetry
        telemetry.configure(export_interval=0.01)
        import time
        time.sleep(0.2)
        recorded = telemetry.snapshot()
        print([lock.name for lock in recorded.locks if "_thread_telemetry" in lock.name or "thread." in lock.name])
        print([each.target for each in recorded.threads])
        """,
        THREAD_TELEMETRY="1",
        THREAD_TELEMETRY_PORT="0",
    )
    assert finished.stdout.splitlines() == ["[]", "[]"], finished.stderr
