"""Every command of the documentation, run in an environment with only what the documentation said to install.

A block of commands has a name behind its language, and a check of that name here; those of docs/services.md are run by
tests/services.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import IO

import pytest
from documentation import DOCS, ROOT, CodeBlock, code_blocks
from otlp_receiver import OtlpReceiver
from servers import free_port

PATIENCE = 60.0
FILES = [ROOT / "README.md", *(file for file in sorted(DOCS.glob("*.md")) if file.name != "services.md")]
BLOCKS = [block for file in FILES for block in code_blocks(file) if block.language == "console"]

ELSEWHERE = {
    "make demo": "tests/examples/test_examples.py runs the demo",
    "docker compose": "tests/dashboards/test_compose.py reads the file; there is no Docker in a test",
    ".venv-3.12/bin/python docs/pictures": "takes twenty minutes, and a browser",
    "export THREAD_TELEMETRY=1   ": "tests/services runs servers with these",
}

THEIR_OWN = ("gunicorn", "waitress")
"""Packages that a service has installed before it hears of thread-telemetry."""

PROGRAMS = {
    "app.py": """
        import os
        import threading
        import time

        guard = threading.Lock()
        ends = time.monotonic() + float(os.environ.get("SECONDS", "0.3"))


        def refresh():
            with guard:
                time.sleep(0.05)


        def read():
            with guard:
                pass


        while time.monotonic() < ends:
            threads = [threading.Thread(target=function) for function in (refresh, read)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    """,
    "shop/__init__.py": """
        def application(environ, start_response):
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [b"3"]
    """,
    "shop/wsgi.py": "from shop import application",
}
BANK = """
    import threading

    accounts, journal = threading.Lock(), threading.Lock()
    both_hold = threading.Barrier(2)


    def transfer():
        with accounts:
            both_hold.wait()
            with journal:
                pass


    def audit():
        with journal:
            both_hold.wait()
            with accounts:
                pass


    for function in (transfer, audit):
        threading.Thread(target=function).start()
"""
LOCK = "__main__:guard"


@dataclass
class Runner:
    """Runs the commands of one block."""

    folder: Path
    environment: dict[str, str]
    lines: list[str]
    port: int
    page: int

    def succeed(self, command: str, **environment: str) -> str:
        """Output of a command that ends by itself, and well."""
        process = self._start(command, environment, subprocess.PIPE)
        try:
            output, _ = process.communicate(timeout=PATIENCE)
        finally:
            self._end(process)
        assert process.returncode == 0, f"{command}\n{output}"
        return output

    @contextmanager
    def running(self, command: str, **environment: str) -> Iterator[None]:
        """While a command runs that does not end by itself."""
        with (self.folder / "log").open("w") as log:
            process = self._start(command, environment, log)
        try:
            yield
        finally:
            self._end(process)

    def _start(self, command: str, environment: dict[str, str], output: IO[str] | int) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["/bin/sh", "-c", command],
            cwd=self.folder,
            env=self.environment | environment,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def _end(self, process: subprocess.Popen[str]) -> None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def wait_for(self, what: str, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            with suppress(OSError, subprocess.CalledProcessError, AssertionError):
                if condition():
                    return
            if time.monotonic() > deadline:
                pytest.fail(f"waited {PATIENCE:g} s in vain for {what}\n{(self.folder / 'log').read_text()}")
            time.sleep(0.1)

    def serves_page(self, command: str, **environment: str) -> None:
        with self.running(command, **environment):
            self.wait_for("the page", lambda: "python_thread_telemetry_instrumented 1" in self.metrics())

    def metrics(self) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.page}/metrics", timeout=10) as answer:
            return str(answer.read().decode())


# ---- what is promised, by the name of the block ----


def ends_with_a_report(runner: Runner, receiver: OtlpReceiver) -> None:
    [command] = runner.lines
    assert re.search(rf"{LOCK}\b", runner.succeed(command))


def shows_the_page(runner: Runner, receiver: OtlpReceiver) -> None:
    [command] = runner.lines
    with runner.running("thread run app.py", SECONDS="600"):
        runner.wait_for("the lock", lambda: LOCK in runner.succeed(command))


def runs_programs(runner: Runner, receiver: OtlpReceiver) -> None:
    for command in runner.lines:
        if " -m " in command or "gunicorn" in command:
            runner.serves_page(command, GUNICORN_CMD_ARGS=f"--bind 127.0.0.1:{runner.port}")
        else:
            output = runner.succeed(command)
            files = [runner.folder / name for name in re.findall(r"report\.\w+", command)]
            assert LOCK in (files[0].read_text() if files else output)


def serves_as_the_environment_says(runner: Runner, receiver: OtlpReceiver) -> None:
    [command] = runner.lines
    runner.serves_page(f"{command} --bind 127.0.0.1:{runner.port}")


def sends_spans_and_histograms(runner: Runner, receiver: OtlpReceiver) -> None:
    runner.succeed(" && ".join(runner.lines))
    assert f"lock wait {LOCK}" in {span.name for _, _, span in receiver.spans()}
    assert {"python.lock.wait.duration", "python.lock.acquisitions"} <= {
        metric.name for _, _, metric in receiver.metrics()
    }


def sends_spans_and_numbers(runner: Runner, receiver: OtlpReceiver) -> None:
    runner.succeed(" && ".join(runner.lines))
    assert f"lock wait {LOCK}" in {span.name for _, _, span in receiver.spans()}
    assert "python.lock.acquisitions" in {metric.name for _, _, metric in receiver.metrics()}


def names_the_core(runner: Runner, receiver: OtlpReceiver) -> None:
    [command] = runner.lines
    assert re.fullmatch(r"thread-telemetry \S+, c core, Python \S+\n", runner.succeed(command))


def shows_that_it_works(runner: Runner, receiver: OtlpReceiver) -> None:
    [command] = runner.lines
    with runner.running("thread run app.py", SECONDS="600"):
        runner.wait_for("the page", runner.metrics)
        shown = runner.succeed(command)
    for line in ("instrumented 1", "unobserved_locks 0", "unobserved_modules 0", "dropped_total 0"):
        assert f"python_thread_telemetry_{line}" in shown


def succeeds(runner: Runner, receiver: OtlpReceiver) -> None:
    runner.succeed("\n".join(runner.lines))


def shows_the_fault(runner: Runner, receiver: OtlpReceiver) -> None:
    [command] = runner.lines
    with runner.running(command):
        runner.wait_for("a contended lock", lambda: re.search(r"_contentions_total\{.*\} [1-9]", runner.metrics()))


def installs(runner: Runner, receiver: OtlpReceiver) -> None:
    assert runner.lines == []


def names_the_deadlock(runner: Runner, receiver: OtlpReceiver) -> None:
    [command] = runner.lines
    (runner.folder / "bank.py").write_text(dedent(BANK).lstrip())
    with runner.running("python bank.py & echo $!; wait"):
        runner.wait_for("the process", lambda: (runner.folder / "log").read_text().strip())
        process = (runner.folder / "log").read_text().strip()
        dump = f"{command.replace('4711', process)} || [ $? = 3 ]"
        for part in (
            "DEADLOCK  certain, for ",
            "transfer (bank.py:10) holds accounts, wants journal",
            "audit (bank.py:17) holds journal, wants accounts",
        ):
            runner.wait_for(part, lambda part=part: part in runner.succeed(dump))  # type: ignore[misc]


CHECKS: dict[str, Callable[[Runner, OtlpReceiver], None]] = {
    "README:install": installs,
    "README:report": ends_with_a_report,
    "README:page": shows_the_page,
    "README:run": runs_programs,
    "README:environment": serves_as_the_environment_says,
    "installing:install": installs,
    "installing:core": names_the_core,
    "installing:run": runs_programs,
    "installing:environment": serves_as_the_environment_says,
    "installing:works": shows_that_it_works,
    "opentelemetry:otlp": sends_spans_and_histograms,
    "opentelemetry:otlp-environment": sends_spans_and_histograms,
    "opentelemetry:instrumentation": sends_spans_and_numbers,
    "opentelemetry:instrumentation-histograms": sends_spans_and_histograms,
    "overhead:timeit": succeeds,
    "runbook:rules": succeeds,
    "runbook:faults": shows_the_fault,
    "dump:deadlock": names_the_deadlock,
}


def key_of(block: CodeBlock) -> str:
    return ":".join((block.file.stem, *block.flags))


def commands_of(block: CodeBlock) -> list[str]:
    """Without prompts, comments and what the commands print."""
    lines = re.findall(r"^\$ ((?:[^\n\"']|\"[^\"]*\"|'[^']*')*)$", block.text, re.M)
    return [re.sub(r" {2,}# .*$", "", line) for line in lines]


def is_elsewhere(block: CodeBlock) -> bool:
    return any(line.startswith(tuple(ELSEWHERE)) for line in re.findall(r"^\$ (.*)$", block.text, re.M))


def test_every_block_of_commands_is_run() -> None:
    known = [key_of(block) for block in BLOCKS if not is_elsewhere(block)]
    assert sorted(known) == sorted(CHECKS)


def what_to_install(block: CodeBlock) -> str:
    """Packages that the block says to install, else those that its page named first, else everything."""
    before = [each for each in BLOCKS if each.file == block.file and not is_elsewhere(each)]
    for each in (block, *before):
        for line in commands_of(each):
            if line.startswith("pip install"):
                return line
    return "pip install 'thread-telemetry[all]'"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(folder),
        str(ROOT),
    ]
    subprocess.run(build, check=True, timeout=300)
    [wheel] = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def install(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Runs a command that installs in a fresh virtual environment, each once; the folder of its programs."""
    made: dict[str, Path] = {}

    def install(command: str) -> Path:
        if command not in made:
            folder = tmp_path_factory.mktemp("venv")
            subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True, timeout=120)
            pip = [sys.executable, "-m", "pip", "--python", folder / "bin" / "python", "install", "-q", "--no-compile"]
            named = shlex.split(re.sub(r"thread-telemetry(?=\[)", str(wheel), command.removeprefix("pip install")))
            subprocess.run([*pip, "--disable-pip-version-check", *named], check=True, timeout=300)
            made[command] = folder / "bin"
        return made[command]

    return install


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("block", [block for block in BLOCKS if not is_elsewhere(block)], ids=key_of)
def test_commands_do_what_is_promised(block: CodeBlock, install: Callable[[str], Path], tmp_path: Path) -> None:
    theirs = [name for name in THEIR_OWN if name in block.text]
    programs = install(" ".join([what_to_install(block), *theirs]))
    for name, text in PROGRAMS.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(dedent(text))
    (tmp_path / "batch.py").write_text(dedent(PROGRAMS["app.py"]))
    for folder in ("dashboards", "examples"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    port, page = free_port(), free_port()
    with OtlpReceiver() as receiver:

        def here(line: str) -> str:
            line = line.replace("http://127.0.0.1:4318", receiver.endpoint).replace("9464", str(page))
            # The program has the port that the documentation gives it, one of its own, or none of its own to give.
            return line.replace("8000", str(port)).replace("-m waitress", f"-m waitress --listen 127.0.0.1:{port}")

        usual = {
            name: value for name, value in os.environ.items() if not name.startswith(("THREAD_", "PYTHON", "OTEL_"))
        }
        runner = Runner(
            folder=tmp_path,
            environment=usual
            | {
                "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
                "THREAD_TELEMETRY_PORT": str(page),
                "HOME": str(tmp_path),
            },
            lines=[here(line) for line in commands_of(block) if not line.startswith("pip install")],
            port=port,
            page=page,
        )
        CHECKS[key_of(block)](runner, receiver)
