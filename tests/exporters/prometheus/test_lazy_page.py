"""A page before its first client: cheap, quiet in children, and passed on to the child that does the work."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest
from conftest import WaitUntil

linux = pytest.mark.skipif(sys.platform != "linux", reason="needs sockets without files")

LOADED = "thread_exporters.prometheus"

SERVICE = """
    import os, subprocess, sys, threading, time
    guard = threading.Lock()
    for _ in range({acquisitions}):
        with guard:
            pass
    print(os.getpid(), flush=True)
"""


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path, port: int) -> Iterator[Start]:
    """Start an observed program with its metrics on `port`."""
    started: list[subprocess.Popen[str]] = []

    def start(program: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        path = tmp_path / f"program{len(started)}.py"
        path.write_text(dedent(program))
        process = subprocess.Popen(
            [sys.executable, str(path), *arguments],
            env={**os.environ, "THREAD_TELEMETRY": "1", "THREAD_TELEMETRY_PORT": str(port)} | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.communicate(timeout=30)


def page(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
        return str(answer.read().decode())


def acquisitions(port: int) -> list[str]:
    return re.findall(r'python_lock_acquisitions_total\{.*:guard".*\} (\d+)', page(port))


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_what_makes_the_page_is_imported_for_the_first_client(start: Start, port: int) -> None:
    process = start(
        f"""
        import sys
        print({LOADED!r} in sys.modules, "prometheus_client" in sys.modules, flush=True)
        input()
        print({LOADED!r} in sys.modules, flush=True)
        input()
        """
    )
    assert first_line(process) == "False False"
    assert "python_lock_acquisitions" in page(port)
    assert "python_lock_acquisitions" in page(port)
    stdout, stderr = process.communicate("\n\n", timeout=30)
    assert stdout == "True\n"
    assert stderr == f"thread: metrics at http://127.0.0.1:{port}/metrics\n"


def test_a_page_of_the_programs_own_shows_the_metrics_too(start: Start) -> None:
    process = start("import prometheus_client as c; print('python_thread_' in c.generate_latest().decode())")
    assert first_line(process) == "True"


def test_an_exporter_that_the_program_starts_is_the_same(start: Start, port: int) -> None:
    process = start(
        """
        from thread import telemetry
        telemetry.start("prometheus")
        print("started", flush=True)
        input()
        """
    )
    assert first_line(process) == "started"
    assert "python_lock_acquisitions" in page(port)
    _, stderr = process.communicate("\n", timeout=30)
    assert stderr == f"thread: metrics at http://127.0.0.1:{port}/metrics\n"


def test_a_taken_port_is_one_line_and_had_as_soon_as_it_is_free(start: Start, port: int, wait_until: WaitUntil) -> None:
    with socket.create_server(("127.0.0.1", port)):
        process = start("print('runs', flush=True); input()", THREAD_TELEMETRY_EXPORT_INTERVAL="0.1")
        assert first_line(process) == "runs"
        assert process.stderr is not None
        assert f"cannot serve metrics on 127.0.0.1:{port}: " in process.stderr.readline()

    def is_served() -> bool:
        try:
            return "python_lock_acquisitions" in page(port)
        except OSError:
            return False

    wait_until(is_served)


def test_a_port_that_is_none_is_one_line(start: Start) -> None:
    process = start("print('runs')", THREAD_TELEMETRY_PORT="tcp://10.0.0.1:80", THREAD_TELEMETRY_HOST="a..b")
    stdout, stderr = process.communicate(timeout=30)
    assert (process.returncode, stdout) == (0, "runs\n")
    first, second = stderr.splitlines()
    assert first.startswith("thread: THREAD_TELEMETRY_PORT: expected a port number from 0 to 65535, got 'tcp://")
    assert second.startswith("thread: cannot serve metrics on a..b:9464: ")


def test_what_is_wrong_with_https_is_said_at_the_start(start: Start) -> None:
    process = start("print('runs')", THREAD_TELEMETRY_CERTFILE="certificate.pem")
    stdout, stderr = process.communicate(timeout=30)
    assert (process.returncode, stdout) == (0, "runs\n")
    assert "expected both THREAD_TELEMETRY_CERTFILE and THREAD_TELEMETRY_KEYFILE, got one of them" in stderr


@linux
@pytest.mark.parametrize("visited", [False, True])
def test_a_reloaders_child_has_the_port_as_long_as_it_lives(
    start: Start, port: int, visited: bool, wait_until: WaitUntil
) -> None:
    reloader = dedent(SERVICE).format(acquisitions="7 if os.environ.get('RELOADED') else 1") + dedent(
        """
        if os.environ.get("RELOADED"):
            time.sleep(600)
        for _ in range(2):
            input()
            child = subprocess.Popen([sys.executable, *sys.orig_argv[1:]], env={**os.environ, "RELOADED": "1"})
            print(child.wait(), flush=True)
        time.sleep(600)
        """
    )
    process = start(reloader, "--reload")
    assert process.stdin is not None
    first_line(process)
    if visited:
        assert acquisitions(port) == ["1"]
    for _ in range(2):
        process.stdin.write("\n")
        process.stdin.flush()
        child = int(first_line(process))
        wait_until(lambda: acquisitions(port) == ["7"])
        os.kill(child, signal.SIGKILL)
        assert first_line(process) == "-9"
    wait_until(lambda: acquisitions(port) == ["1"])


@linux
def test_other_children_leave_the_port_where_it_is_and_say_nothing(start: Start, port: int) -> None:
    process = start(
        dedent(SERVICE).format(acquisitions=3)
        + dedent(
            """
            helper = [sys.executable, "-c", "import threading; guard = threading.Lock(); print(input())"]
            pipe = subprocess.PIPE
            with subprocess.Popen(helper, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT) as child:
                input()
                print(child.communicate(b"helped"), flush=True)
            """
        )
    )
    first_line(process)
    time.sleep(0.2)
    assert acquisitions(port) == ["3"]
    assert re.search(r"^python_thread_telemetry_child_processes(\{\})? 1", page(port), re.MULTILINE)
    stdout, stderr = process.communicate("\n", timeout=30)
    assert stdout == "(b'helped\\n', None)\n"
    assert stderr.count("\n") == 1


@linux
@pytest.mark.parametrize("command", [[], ["-m", "thread", "run", "--exporter", "prometheus"]])
def test_children_of_a_process_without_a_port_do_not_complain_once_more(
    tmp_path: Path, port: int, command: list[str]
) -> None:
    program = tmp_path / "program.py"
    program.write_text("import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(1)'], check=True)")
    with socket.create_server(("127.0.0.1", port)):
        done = subprocess.run(
            [sys.executable, *command, str(program)],
            env={**os.environ, "THREAD_TELEMETRY": "0" if command else "1", "THREAD_TELEMETRY_PORT": str(port)},
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert (done.returncode, done.stdout) == (0, "1\n")
    [line] = done.stderr.splitlines()
    assert f"cannot serve metrics on 127.0.0.1:{port}: " in line


@linux
def test_a_daemon_has_the_port_once_its_parent_has_ended(start: Start, port: int, wait_until: WaitUntil) -> None:
    process = start(
        """
        import os, threading, time
        guard = threading.Lock()
        if os.fork():
            time.sleep(0.2)
            os._exit(0)
        os.setsid()
        with guard:
            pass
        print(os.getpid(), flush=True)
        time.sleep(600)
        """
    )
    daemon = int(first_line(process))
    try:
        process.wait(timeout=30)

        def is_served() -> bool:
            try:
                return acquisitions(port) == ["1"]
            except OSError:
                return False

        wait_until(is_served)
    finally:
        os.kill(daemon, signal.SIGKILL)
