"""`python -m thread run`: where it exports to, when it reports, and which command lines it refuses."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import tomllib
from pathlib import Path
from textwrap import dedent

import pytest

from thread._settings.table import SETTINGS
from thread._version import python_version

OUR_OWN = """
    import sys
    from thread import telemetry

    class Silent:
        def export(self, snapshot, events):
            self.snapshot = snapshot

        def shutdown(self, timeout):
            pass

    class Probe(Silent):
        def __init__(self, port=None, host="nowhere"):
            print("serving", host, port, telemetry.configure().slow_wait, file=sys.stderr)

        def shutdown(self, timeout):
            print("locks", *[(lock.name, lock.acquisitions) for lock in self.snapshot.locks], file=sys.stderr)
            print("threads", *[(each.target, each.started) for each in self.snapshot.threads], file=sys.stderr)
            print("exceptions", *[(each.type, each.target) for each in self.snapshot.exceptions], file=sys.stderr)

    def broken():
        raise RuntimeError("out of order")

    def needy():
        import a_library_that_nobody_has
    """


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Holds a program, and a distribution that offers exporters."""
    library = tmp_path / "library"
    metadata = library / "our_own-1.0.dist-info"
    metadata.mkdir(parents=True)
    metadata.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: our-own\nVersion: 1.0\n")
    names = {"probe": "Probe", "silent": "Silent", "broken": "broken", "needy": "needy"}
    entry_points = "".join(f"{name} = our_own:{factory}\n" for name, factory in names.items())
    metadata.joinpath("entry_points.txt").write_text(f"[thread.exporters]\n{entry_points}")
    library.joinpath("our_own.py").write_text(dedent(OUR_OWN))
    return tmp_path


def run(folder: Path, *arguments: str, program: str = "print('ran')", **environment: str) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of `python -m thread run`."""
    folder.joinpath("program.py").write_text(dedent(program))
    core = "THREAD_TELEMETRY_PURE"
    kept = {name: value for name, value in os.environ.items() if name == core or "THREAD_" not in name}
    search_path = os.pathsep.join([str(folder / "library"), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    done = subprocess.run(
        [sys.executable, "-m", "thread", "run", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        env=kept | {"PYTHONPATH": search_path} | environment,
    )
    return done.returncode, done.stdout, done.stderr


BUSY = """
    import atexit, threading
    first_lock = threading.Lock()
    def work():
        with first_lock:
            raise KeyError("lost")
    def outlive():
        threading.main_thread().join()
        with first_lock:
            print("thread", flush=True)
    atexit.register(lambda: (first_lock.acquire(), print("handler", flush=True)))
    threading.excepthook = lambda _: None
    for target in work, outlive:
        threading.Thread(target=target).start()
    """


def test_everything_is_observed_from_the_first_lock_to_the_last_handler(folder: Path) -> None:
    status, stdout, stderr = run(folder, "--exporter", "probe", "program.py", program=BUSY)
    assert status == 0
    assert stdout == "thread\nhandler\n"
    *_, locks, threads, exceptions = stderr.splitlines()
    assert "('__main__:first_lock', 3)" in locks
    assert "('__main__:work', 1)" in threads
    assert "('__main__:outlive', 1)" in threads
    assert exceptions == "exceptions ('KeyError', '__main__:work')"


def test_the_report_is_the_last_thing_on_stderr(folder: Path) -> None:
    program = """
        import atexit, sys, threading
        atexit.register(sys.stderr.write, "handler\\n")
        threading.Thread(target=lambda: (threading.main_thread().join(), sys.stderr.write("thread\\n"))).start()
        sys.exit("message")
        """
    status, stdout, stderr = run(folder, "--exporter", "probe", "program.py", program=program)
    assert (status, stdout) == (1, "")
    assert [line.split()[0] for line in stderr.splitlines()[1:]] == [
        *("message", "thread", "handler", "locks", "threads", "exceptions")
    ]


def test_options_reach_the_exporters_that_know_them(folder: Path) -> None:
    ours = ["--exporter=silent", "--exporter", "probe", "--port", "80", "--slow-wait=2.5"]
    _, stdout, stderr = run(folder, *ours, "program.py", "--port=1", program="import sys; print(sys.argv)")
    assert stdout == "['program.py', '--port=1']\n"
    assert stderr.startswith("serving nowhere 80 0.0025\n")
    _, stdout, stderr = run(folder, "--exporter", "probe", "--host=::1", "--", "program.py")
    assert stdout == "ran\n"
    assert stderr.startswith("serving ::1 None 0.01\n")


def test_the_environment_says_what_the_command_line_does_not(folder: Path) -> None:
    environment = {"THREAD_TELEMETRY_EXPORTERS": " silent, probe,", "THREAD_TELEMETRY_SLOW_WAIT_MS": "3"}
    assert run(folder, "program.py", **environment)[2].startswith("serving nowhere None 0.003\n")
    _, _, stderr = run(folder, "--slow-wait", "1", "--exporter", "probe", "program.py", **environment)
    assert stderr.startswith("serving nowhere None 0.001\n")


@pytest.mark.parametrize("arguments", [["--exporter", "none", "program.py"], ["--exporter", "silent", "-m", "program"]])
def test_nothing_is_said_without_need(folder: Path, arguments: list[str]) -> None:
    assert run(folder, *arguments) == (0, "ran\n", "")


def test_an_unknown_exporter_is_refused_with_those_that_are_known(folder: Path) -> None:
    status, stdout, stderr = run(folder, "--exporter", "promethius", "program.py")
    assert (status, stdout) == (2, "")
    assert "unknown exporter 'promethius': expected one of " in stderr
    assert "broken" in stderr
    assert "probe" in stderr


def test_what_the_environment_says_badly_is_one_line_and_the_program_runs(folder: Path) -> None:
    status, stdout, stderr = run(folder, "program.py", THREAD_TELEMETRY_EXPORTERS="promethius")
    assert (status, stdout) == (0, "ran\n")
    assert stderr.startswith("thread: unknown exporter 'promethius': expected one of ")
    kubernetes = {"THREAD_TELEMETRY_PORT": "tcp://10.0.0.1:80", "THREAD_TELEMETRY_SLOW_WAIT_MS": "tcp://10.0.0.1:80"}
    status, stdout, stderr = run(folder, "--exporter", "silent", "program.py", **kubernetes)
    assert (status, stdout) == (0, "ran\n")
    [line] = stderr.splitlines()
    assert "THREAD_TELEMETRY_SLOW_WAIT_MS" in line


def test_an_exporter_without_its_library_is_refused_when_it_was_asked_for(folder: Path) -> None:
    status, stdout, stderr = run(folder, "--exporter", "needy", "program.py")
    assert (status, stdout) == (2, "")
    assert "the exporter 'needy' needs a_library_that_nobody_has" in stderr


def test_an_exporter_without_its_library_is_left_out_when_nobody_asked_for_it(folder: Path) -> None:
    folder.joinpath("library", "prometheus_client.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'prometheus_client'\", name='prometheus_client')\n"
    )
    status, stdout, stderr = run(folder, "--port", "9000", "program.py")
    assert (status, stdout) == (0, "ran\n")
    first, second, *_ = stderr.splitlines()
    assert first.startswith("thread: the exporter 'prometheus' needs prometheus_client, which is not installed")
    assert "thread telemetry" in second


def test_an_exporter_that_cannot_be_started_is_one_line_and_the_program_runs(folder: Path) -> None:
    assert run(folder, "--exporter", "broken", "--exporter", "silent", "program.py") == (
        0,
        "ran\n",
        "thread: cannot start the exporter 'broken': RuntimeError: out of order\n",
    )


def test_an_option_that_no_exporter_takes_is_refused(folder: Path) -> None:
    status, stdout, stderr = run(folder, "--exporter", "silent", "--port", "80", "program.py")
    assert (status, stdout) == (2, "")
    assert "argument --port: none of these exporters takes it: silent" in stderr


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "expected a program"),
        (["-c"], "expected code after -c"),
        (["--report-format", "xml", "program.py"], "argument --report-format: invalid choice: 'xml'"),
        (["-"], "it cannot be read from stdin"),
        (["-m"], "expected a module after -m"),
        (["--port", "http", "program.py"], "argument --port: expected a port number from 0 to 65535, got 'http'"),
        (["--port", "65536", "program.py"], "argument --port: expected a port number from 0 to 65535, got '65536'"),
        (["--port"], "argument --port: expected one argument"),
        (["--slow-wait", "-1", "program.py"], "expected a number of milliseconds, at least 0, got '-1'"),
        (["--slow-wait", "1e300", "program.py"], "argument --slow-wait: slow_wait: expected a number of seconds"),
        (["--slow", "5", "program.py"], "unrecognized arguments: --slow 5"),
        (["-x", "program.py"], "unrecognized arguments: -x"),
    ],
)
def test_a_command_line_that_makes_no_sense_is_a_usage_error(
    folder: Path, arguments: list[str], complaint: str
) -> None:
    status, stdout, stderr = run(folder, *arguments)
    assert (status, stdout) == (2, "")
    assert stderr.startswith("usage: ")
    assert complaint in stderr


def test_help_tells_every_option_and_environment_variable(folder: Path) -> None:
    status, stdout, stderr = run(folder, "--help")
    assert (status, stderr) == (0, "")
    variables = [setting.variable for setting in SETTINGS.values()]
    for word in ["--exporter", "--port", "--host", "--slow-wait", "-m", "THREAD_TELEMETRY_EXPORTERS", *variables]:
        assert word in stdout
    assert max(map(len, stdout.splitlines())) <= 120


def test_the_command_is_the_same_as_the_module(folder: Path) -> None:
    command = folder / "bin" / "thread"
    command.parent.mkdir()
    command.write_text("import sys\nfrom _thread_telemetry_start import main\nsys.exit(main())\n")
    folder.joinpath("program.py").write_text("import sys\nprint(sys.path)\n1 / 0\n")
    arguments = ["run", "--exporter", "none", "program.py"]
    by_command, by_module = (
        subprocess.run([sys.executable, *start, *arguments], cwd=folder, capture_output=True, text=True, timeout=60)
        for start in ([str(command)], ["-m", "thread"])
    )
    assert by_command.returncode == by_module.returncode == 1
    assert by_command.stdout == by_module.stdout
    assert by_command.stderr == by_module.stderr


def test_the_metrics_page_shows_the_running_program(folder: Path) -> None:
    pytest.importorskip("prometheus_client")
    program = """
        import sys, threading, urllib.request
        guard = threading.Lock()
        with guard:
            print(urllib.request.urlopen(input()).read().decode())
        """
    folder.joinpath("program.py").write_text(dedent(program))
    process = subprocess.Popen(
        [sys.executable, "-m", "thread", "run", "--exporter", "prometheus", "--port", "0", "program.py"],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    address = re.fullmatch(r"thread: metrics at (http://127\.0\.0\.1:\d+/metrics)\n", process.stderr.readline())
    assert address is not None
    stdout, stderr = process.communicate(f"{address[1]}\n", timeout=60)
    assert 'python_lock_acquisitions_total{python_lock_name="__main__:guard",python_lock_type="lock"} 1\n' in stdout
    assert stderr == ""


def test_a_taken_port_is_one_clear_line_and_the_program_runs(folder: Path) -> None:
    pytest.importorskip("prometheus_client")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, stdout, stderr = run(folder, "--exporter", "prometheus", "--port", str(port), "program.py")
    assert (status, stdout) == (0, "ran\n")
    assert len(stderr.splitlines()) == 1
    assert f"127.0.0.1:{port}: " in stderr


def test_the_console_report_names_the_contended_lock(folder: Path) -> None:
    program = """
        import threading, time
        class Cache:
            def __init__(self):
                self._guard = threading.Lock()
        cache = Cache()
        cache._guard.acquire()
        waiter = threading.Thread(target=cache._guard.acquire)
        waiter.start()
        time.sleep(0.05)
        cache._guard.release()
        waiter.join()
        """
    status, stdout, stderr = run(folder, "--exporter", "console", "program.py", program=program)
    assert (status, stdout) == (0, "")
    assert "__main__:Cache._guard" in stderr


def test_the_version_tells_the_core_and_python(folder: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "thread", "--version"], cwd=folder, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    core = "python" if os.environ.get("THREAD_TELEMETRY_PURE", "0") not in ("", "0") else r"(c|python)"
    project = tomllib.loads(Path(__file__).parents[2].joinpath("pyproject.toml").read_text())["project"]
    expected = rf"thread-telemetry {re.escape(project['version'])}, {core} core, Python {re.escape(python_version())}\n"
    assert re.fullmatch(expected, done.stdout)


def test_the_report_goes_to_a_file_as_text_or_for_programs(folder: Path) -> None:
    assert run(folder, "--exporter", "none", "--report", "report.txt", "program.py") == (0, "ran\n", "")
    assert folder.joinpath("report.txt").read_text().startswith("thread telemetry, process ")
    arguments = ["--exporter", "none", "--report", "report.json", "--report-format", "json", "program.py"]
    assert run(folder, *arguments) == (0, "ran\n", "")
    assert json.loads(folder.joinpath("report.json").read_text())["version"] == 1
    _, _, stderr = run(folder, "--exporter", "none", "--report-format=json", "program.py")
    assert json.loads(stderr)["version"] == 1


def test_a_report_that_cannot_be_written_is_refused_before_the_program_runs(folder: Path) -> None:
    status, stdout, stderr = run(folder, "--exporter", "console", "--report", "nowhere/report.txt", "program.py")
    assert (status, stdout) == (2, "")
    assert "cannot write the report to" in stderr


@pytest.fixture
def commands(folder: Path) -> Path:
    """A folder for commands, in a PATH of its own."""
    path = folder / "commands"
    path.mkdir()
    return path


def write_command(path: Path, text: str) -> None:
    path.write_text(dedent(text).lstrip())
    path.chmod(0o755)


def test_a_command_of_this_interpreter_is_run_in_this_process(folder: Path, commands: Path) -> None:
    interpreter = commands / "python"
    interpreter.symlink_to(sys.executable)
    write_command(
        commands / "serve",
        f"""
        #!{interpreter}
        import sys, threading
        guard = threading.Lock()
        with guard:
            print("serving", sys.argv, "thread._cli.run" in sys.modules)
        """,
    )
    _, stdout, stderr = run_by(interpreter, folder, commands, "--exporter", "probe", "serve", "--port", "1")
    assert stdout == f"serving ['{commands}/serve', '--port', '1'] False\n"
    assert "('__main__:guard', 1)" in stderr


def run_by(interpreter: Path, folder: Path, commands: Path, *arguments: str) -> tuple[int, str, str]:
    search_path = [folder / "library", *(path for path in sys.path if path.startswith("/"))]
    done = subprocess.run(
        [interpreter, "-m", "thread", "run", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        env={"PATH": f"{commands}:/usr/bin:/bin", "PYTHONPATH": os.pathsep.join(map(str, search_path))},
    )
    return done.returncode, done.stdout, done.stderr


def test_any_other_command_takes_this_process_and_is_told_by_the_environment(folder: Path, commands: Path) -> None:
    write_command(
        commands / "serve",
        """
        #!/bin/sh
        echo $$ $THREAD_TELEMETRY $THREAD_TELEMETRY_EXPORTERS $THREAD_TELEMETRY_PORT $THREAD_TELEMETRY_SLOW_WAIT_MS "$@"
        exit 3
        """,
    )
    folder.joinpath("serve").mkdir()  # a folder that is no program
    arguments = ["--exporter", "prometheus", "--port", "0", "--slow-wait", "2.5", "serve", "--port", "1"]
    command = [sys.executable, "-m", "thread", "run", *arguments]
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, text=True, env={**os.environ, "PATH": f"{commands}:/usr/bin:/bin"}
    ) as process:
        stdout, _ = process.communicate(timeout=60)
    assert stdout == f"{process.pid} 1 prometheus 0 2.5 --port 1\n"
    assert process.returncode == 3


def test_a_script_of_that_name_comes_before_the_command(folder: Path, commands: Path) -> None:
    write_command(commands / "program.py", "#!/bin/sh\necho the command\n")
    path = f"{commands}:{os.environ['PATH']}"
    assert run(folder, "--exporter", "none", "program.py", PATH=path) == (0, "ran\n", "")
