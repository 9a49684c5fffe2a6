"""Forks as the program makes them, while exporters are at work."""

from __future__ import annotations

import os
import subprocess
import sys
from textwrap import dedent

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")

BEGIN = """
import os, sys, threading, time

class Exporter:
    exports = 0
    def export(self, snapshot, events):
        self.exports += 1
    def shutdown(self, timeout):
        pass

def threads():
    return len(os.listdir("/proc/self/task"))

def fork():
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0

def wait_until(predicate):
    deadline = time.monotonic() + 20
    while not predicate():
        assert time.monotonic() < deadline
        time.sleep(0.001)

"""


def warnings_of(source: str, *, as_errors: bool = False) -> str:
    """Warnings of forks that a program, which has to succeed, prints on stderr."""
    begin = "" if "import telemetry" in source else "from thread import telemetry\n"
    options = ["-W", "error" if as_errors else "default"]
    finished = subprocess.run(
        [sys.executable, *options, "-c", begin + BEGIN + dedent(source)], capture_output=True, text=True, timeout=60
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stderr


@pytest.mark.parametrize("as_errors", [False, True])
def test_a_program_with_one_thread_forks_without_a_warning(as_errors: bool) -> None:
    assert not warnings_of(
        """
        first, second = Exporter(), Exporter()
        telemetry.start(first, second, export_interval=0.005)
        fork()                                              # before our threads have begun
        for _ in range(20):
            fork()
        exports = first.exports
        wait_until(lambda: first.exports > exports + 1)     # they have come back
        fork()
        telemetry.stop()
        fork()                                              # before our threads are gone
        """,
        as_errors=as_errors,
    )


def test_none_of_our_threads_is_there_while_it_forks() -> None:
    assert not warnings_of(
        """
        counts = []
        # Those that are registered first are called last.
        os.register_at_fork(before=lambda: counts.append(threads()))
        from thread import telemetry
        telemetry.start(Exporter(), Exporter())
        wait_until(lambda: threads() == 4)
        wait_until(lambda: fork() or counts[-1] == 1)       # on a busy machine they may be late
        wait_until(lambda: threads() == 4)
        """
    )


def test_threads_of_an_exporter_make_way() -> None:
    assert not warnings_of(
        """
        class Ticker:
            def __init__(self):
                self.ticks = 0
                self.alarm = threading.Semaphore(0)
                self.thread = telemetry.UnobservedThread(self.tick, wake=self.alarm.release)
                self.thread.start()

            def tick(self):
                while not self.thread.is_leaving:
                    self.ticks += 1
                    self.alarm.acquire(timeout=0.01)

        ticker = Ticker()
        for _ in range(10):
            fork()
        ticks = ticker.ticks
        wait_until(lambda: ticker.ticks > ticks + 1)
        """
    )


def test_an_exporter_in_the_middle_of_a_call_neither_holds_up_a_fork_nor_makes_it_warn() -> None:
    assert not warnings_of(
        """
        class Hanging(Exporter):
            def export(self, snapshot, events):
                self.exports += 1
                gate.wait(30)

        gate = threading.Event()
        exporter = Hanging()
        telemetry.start(exporter, export_interval=0.001)
        wait_until(lambda: exporter.exports)
        durations = []
        for _ in range(5):
            began = time.monotonic()
            fork()
            durations.append(time.monotonic() - began)
        assert min(durations) < 1, durations
        import warnings
        assert not any("_fork_warning" in repr(each) for each in warnings.filters), warnings.filters
        gate.set()
        wait_until(lambda: exporter.exports > 1)            # it goes on
        """
    )


@pytest.mark.skipif(sys.version_info < (3, 12), reason="no fork makes a warning here")
def test_a_program_with_several_threads_is_warned() -> None:
    assert "is multi-threaded" in warnings_of(
        """
        telemetry.start(Exporter())
        done = threading.Event()
        thread = threading.Thread(target=done.wait)
        thread.start()
        fork()
        done.set()
        thread.join()
        """
    )


def test_frequent_forks_do_not_keep_it_from_exporting() -> None:
    assert not warnings_of(
        """
        exporter = Exporter()
        telemetry.start(exporter, export_interval=0.1)
        wait_until(lambda: fork() or exporter.exports > 2)
        """
    )


def test_children_of_children_fork_without_a_warning_and_export() -> None:
    assert not warnings_of(
        """
        exporter = Exporter()
        telemetry.start(exporter, export_interval=0.001)
        if os.fork() == 0:
            exporter.exports = 0
            wait_until(lambda: exporter.exports > 1)
            os.setsid()
            fork()
            pid = os.fork()
            if pid == 0:
                exporter.exports = 0
                wait_until(lambda: exporter.exports > 1)
                os._exit(0)
            os._exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        assert os.wait()[1] == 0
        """
    )


@pytest.mark.parametrize("at", ["exit", "stop"])
def test_a_fork_after_which_no_thread_can_be_started_loses_nothing(at: str) -> None:
    assert (
        warnings_of(
            f"""
            from thread._process import raw_threads

            class Telling(Exporter):
                def export(self, snapshot, events):
                    self.exports += 1
                    self.threads = [each.started for each in snapshot.threads if each.target == "__main__:work"]

                def shutdown(self, timeout):
                    os.write(2, f"told {{self.threads}} in {{self.exports}} export".encode())

            def work():
                pass

            telemetry.instrument()
            telemetry.start(Telling())
            thread = threading.Thread(target=work)
            thread.start()
            thread.join()

            def refuse(*arguments):
                raise RuntimeError("can't start new thread")

            raw_threads.start_new_thread, start = refuse, raw_threads.start_new_thread
            wait_until(lambda: fork() or threads() == 1)
            raw_threads.start_new_thread = start
            assert telemetry.snapshot().coverage.faults >= 2
            if {at!r} == "stop":
                telemetry.stop()
            """
        )
        == "told [1] in 1 export"
    )


def test_what_cannot_come_back_at_once_comes_back_later() -> None:
    assert not warnings_of(
        """
        from thread._process import raw_threads

        def refuse(*arguments):
            raise RuntimeError("can't start new thread")

        exporter = Exporter()
        telemetry.start(exporter, export_interval=0.001)
        raw_threads.start_new_thread, start = refuse, raw_threads.start_new_thread
        fork()
        raw_threads.start_new_thread = start
        exports = exporter.exports
        telemetry.snapshot()
        wait_until(lambda: exporter.exports > exports)
        """
    )


def test_a_pseudo_terminal_is_forked_without_a_warning() -> None:
    try:
        for descriptor in os.openpty():
            os.close(descriptor)
    except OSError:
        pytest.skip("there are no pseudo-terminals here")
    assert not warnings_of(
        """
        telemetry.start(Exporter(), export_interval=0.005)
        pid, terminal = os.forkpty()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
        """
    )
