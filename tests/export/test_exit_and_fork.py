"""The recorder at the end of a process and after a fork."""

from __future__ import annotations

import os

import pytest
from programs import output_of, run

SUPPORT = os.path.join(os.path.dirname(__file__), os.pardir, "support")
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
PRINTING_EXPORTER = """
import os, sys, time
import thread
from thread import telemetry

parent = os.getpid()

def say(what):
    os.write(1, f"{'parent' if os.getpid() == parent else 'child'} {what}\\n".encode())

class Printing:
    events = 0
    def export(self, snapshot, events):
        self.events += len(events)
    def shutdown(self, timeout):
        say(f"shut down after {self.events} events")

def wait_until(predicate):
    deadline = time.monotonic() + 20
    while not predicate():
        assert time.monotonic() < deadline
        time.sleep(0.001)

def wait_for(pid):
    say(f"child exited with {os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}")
"""


@pytest.mark.parametrize("start", ["telemetry.start(Exporter())", "recorder.add('activated', Exporter())"])
def test_an_exporter_is_called_in_a_child_after_what_its_library_registered_for_that(start: str) -> None:
    lines = output_of(
        f"""
        import os
        from thread import telemetry
        from thread._export.recorder import recorder

        class Exporter:
            def __init__(self):
                os.register_at_fork(after_in_child=lambda: print("library", flush=True))

            def export(self, snapshot, events):
                pass

            def shutdown(self, timeout):
                pass

        recorder.after_fork_in_child = lambda: print("exporters", flush=True)
        {start}
        child = os.fork()
        if not child:
            os._exit(0)
        os.waitpid(child, 0)
        """
    )
    assert lines == ["library", "exporters"]


def test_what_was_started_is_stopped_at_exit_after_the_programs_own_handlers() -> None:
    assert output_of(
        PRINTING_EXPORTER
        + """
import atexit

def last_words():
    guard.release()
    wait_until(lambda: any(threads.finished for threads in telemetry.snapshot().threads))
    say("says its last words")

guard = thread.allocate_lock()
guard.acquire()
thread.start_new_thread(guard.acquire, ())
atexit.register(last_words)
telemetry.start(Printing(), slow_wait=60)
"""
    ) == ["parent says its last words", "parent shut down after 1 events"]


def test_a_program_that_fails_keeps_its_exit_status_and_its_exporters_are_stopped() -> None:
    finished = run(PRINTING_EXPORTER + "telemetry.start(Printing())\nsys.exit(7)")
    assert (finished.returncode, finished.stdout, finished.stderr) == (7, "parent shut down after 0 events\n", "")


def test_an_exporter_that_hangs_does_not_hold_up_the_exit() -> None:
    finished = run(
        """
        import sys, time
        from thread import telemetry
        from recording import HangingExporter

        telemetry.start(HangingExporter(), export_timeout=2)
        sys.exit(7)
        """,
        PYTHONPATH=os.pathsep.join([SUPPORT, os.environ.get("PYTHONPATH", "")]),
    )
    assert finished.returncode == 7
    assert finished.stderr == "the exporter HangingExporter did not stop in time; the program goes on\n"


@forks
def test_a_child_starts_from_zero_and_exports() -> None:
    assert output_of(
        PRINTING_EXPORTER
        + """
exporter = Printing()
telemetry.start(exporter, export_interval=0.001)
thread.start_new_thread(int, (), name="before")
wait_until(lambda: exporter.events == 1)
pid = os.fork()
if pid == 0:
    assert not any(threads.started for threads in telemetry.snapshot().threads)
    exporter.events = 0
    thread.start_new_thread(int, (), name="after")
    wait_until(lambda: exporter.events == 1)
    say("exports")
    sys.exit(3)
wait_for(pid)
thread.start_new_thread(int, (), name="before")
wait_until(lambda: exporter.events == 2)
"""
    ) == ["child exports", "parent child exited with 3", "parent shut down after 2 events"]


@forks
def test_a_child_may_stop_and_then_exporters_are_shut_down() -> None:
    assert output_of(
        PRINTING_EXPORTER
        + """
telemetry.start(Printing())
pid = os.fork()
if pid == 0:
    telemetry.stop()
    sys.exit()
wait_for(pid)
"""
    ) == ["child shut down after 0 events", "parent child exited with 0", "parent shut down after 0 events"]


@forks
def test_a_child_exports_at_exit_if_the_exporter_wants_it() -> None:
    assert output_of(
        PRINTING_EXPORTER
        + """
class Forkable(Printing):
    def after_fork_in_child(self):
        say("arrived")
        return True

telemetry.start(Forkable())
pid = os.fork()
if pid == 0:
    sys.exit()
wait_for(pid)
"""
    ) == [
        "child arrived",
        "child shut down after 0 events",
        "parent child exited with 0",
        "parent shut down after 0 events",
    ]


@forks
def test_a_fork_in_the_middle_of_an_export_does_not_hold_up_the_child() -> None:
    assert output_of(
        PRINTING_EXPORTER
        + """
import _thread

class Busy(Printing):
    calls = 0
    def __init__(self):
        self.guard = _thread.allocate_lock()
    def export(self, snapshot, events):
        self.calls += 1
        with self.guard:
            if os.getpid() == parent:
                time.sleep(0.3)
    def after_fork_in_child(self):
        self.guard = _thread.allocate_lock()
        self.calls = 0

class Naive(Busy):
    after_fork_in_child = None

busy, naive = Busy(), Naive()
telemetry.start(busy, naive, export_interval=0.001, export_timeout=1.0)
wait_until(lambda: busy.guard.locked() and naive.guard.locked())
pid = os.fork()
if pid == 0:
    telemetry.snapshot()
    wait_until(lambda: busy.calls > 3)
    say("exports")
    sys.exit()
wait_for(pid)
telemetry.stop()
"""
    ) == [
        "child exports",
        "parent child exited with 0",
        "parent shut down after 0 events",
        "parent shut down after 0 events",
    ]


@forks
def test_an_exporter_may_fork() -> None:
    assert output_of(
        PRINTING_EXPORTER
        + """
class Forking(Printing):
    pid = None
    def export(self, snapshot, events):
        if self.pid is None:
            self.pid = os.fork()
            if self.pid == 0:
                os._exit(5)
            wait_for(self.pid)

telemetry.start(Forking())
telemetry.stop()
"""
    ) == ["parent child exited with 5", "parent shut down after 0 events"]


@forks
def test_settings_survive_a_fork() -> None:
    assert output_of(
        PRINTING_EXPORTER
        + """
telemetry.start(stack_depth=7)
pid = os.fork()
if pid == 0:
    say(telemetry.configure().stack_depth)
    os._exit(0)
os.waitpid(pid, 0)
"""
    ) == ["child 7"]
