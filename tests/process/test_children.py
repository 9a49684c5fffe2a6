"""A process says that it has children, of which it tells nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest
from programs import output_of

from thread._process import children as _children

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="how many they are is known on Linux")


def test_children_are_counted_as_long_as_they_run_and_their_exit_status_is_left_to_the_program() -> None:
    before = _children.running()
    children = [subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) for _ in range(2)]
    assert _children.running() == before + 2
    for child in children:
        child.communicate(b"\n")
        assert child.returncode == 0
    assert _children.running() == before
    assert _children.cpu_time() > 0


def test_a_snapshot_has_them() -> None:
    program = """
        import os, signal, time
        from thread import telemetry
        print(telemetry.snapshot().coverage.child_processes)
        child = os.fork()
        if not child:
            signal.pause()
        print(telemetry.snapshot().coverage.child_processes)
        os.kill(child, signal.SIGKILL)
        print(os.waitpid(child, 0) == (child, signal.SIGKILL), telemetry.snapshot().coverage.child_processes)
    """
    assert output_of(program) == ["0", "1", "True 0"]
