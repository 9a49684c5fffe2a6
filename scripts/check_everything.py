"""All checks that a change must pass, as `.ci/run` runs them.

The tests run with the C core and with its twin on every supported Python; lint, types, sanitizers and the real services
run once. Two jobs run side by side. The report ends with a table of all jobs and pytest's closing lines.

Code above the core is tested on the oldest and on the newest Python. The interpreter's own suites and the sanitizers
take two versions in turn, chosen by the number of commits. `SLOW=1` in the environment runs all of it on every version.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
NEXT_ROOT: Final = Path.home() / "python-next"
NEXT_PYTHONS: Final = (str(ROOT / "scripts/next_pythons"), "run", str(NEXT_ROOT))

RELEASED: Final = ("3.11", "3.12", "3.13")
NEXT: Final = ("3.14", "3.15")
VERSIONS: Final = RELEASED + NEXT
SLOW_TESTS_ON: Final = "3.12"
ONCE_ON: Final = "3.13"
ONCE: Final = {
    "prometheus": "test-prometheus",
    "services": "test-services",
    "types": "typecheck",
    "lint": "lint",
    "site": "site",
}
"""Targets of `make` that give the same result on every version."""

# Exporters, dashboards, examples and documents see snapshots only, whichever core made them.
ABOVE_THE_CORE: Final = ("tests/dashboards", "tests/examples", "tests/exporters", "tests/project")
# The same with either core: starting a program, reading another one from outside, and everything below the core.
BESIDE_THE_CORE: Final = (
    *("tests/base", "tests/inspection", "tests/settings"),
    *("tests/cli", "tests/findings", "tests/remote"),
)
# Tests that spend their time in the C core.
SANITIZED: Final = (
    "tests/conformance",
    "tests/core",
    "tests/export/test_recorder.py",
    "tests/observed/test_blocking.py",
    "tests/observed/test_executors.py",
    "tests/observed/test_named.py",
    "tests/observed/test_named_waits.py",
    "tests/observed/test_semaphores.py",
    "tests/trust",
    "tests/views",
    "--ignore-glob=tests/conformance/test_twins.py",  # It spends its time in other processes.
)


def without(*patterns: str) -> str:
    """Arguments of pytest that leave these tests out."""
    return " ".join(f"--ignore-glob={pattern}" for pattern in patterns)


SIDE_BY_SIDE: Final = 2
LIMIT: Final = 30 * 60.0
"""Seconds for one job, far beyond its usual time."""

CLOSING_LINE: Final = re.compile(
    r"^(?:=+ )?((?:\d+ (?:passed|failed|error|skipped)|no tests ran).* in [\d.]+s.*?)(?: =+)?$"
)


@dataclass(eq=False)
class Job:
    """One row of the table."""

    name: str
    command: Sequence[str]
    environment: dict[str, str] = field(default_factory=dict)
    after: Sequence[Job] = ()
    """Job that has to succeed first."""
    state: str = ""
    seconds: float = 0.0
    output: str = ""
    done: threading.Event = field(default_factory=threading.Event)

    @property
    def succeeded(self) -> bool:
        return self.state == "ok"

    @property
    def closing_line(self) -> str:
        """Last line of pytest's summary; empty if there is none."""
        lines = [match[1] for line in self.output.splitlines() if (match := CLOSING_LINE.match(line))]
        return lines[-1] if lines else ""


@dataclass(frozen=True)
class Interpreter:
    """One version of Python: arguments of `make`, and the command that runs `make`."""

    version: str
    python: str
    prefix: tuple[str, ...] = ()

    def make(self, target: str, *variables: str) -> list[str]:
        return [*self.prefix, "make", "--no-print-directory", target, f"PYTHON={self.python}", *variables]


def find(version: str) -> Interpreter | None:
    """Interpreter of a version, from pyenv or the PATH; None if none of them makes environments."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    candidates = [*map(str, sorted(pyenv.glob(f"versions/{version}.*/bin/python"))), f"python{version}"]
    for candidate in candidates:
        program = f"import ensurepip, sys; sys.exit('%d.%d' % sys.version_info[:2] != '{version}')"
        try:
            if subprocess.run([candidate, "-c", program], capture_output=True).returncode == 0:
                return Interpreter(version, candidate)
        except OSError:
            continue
    return None


def everything_asked_for() -> bool:
    return os.environ.get("SLOW", "") not in ("", "0")


def two_in_turn(versions: Sequence[str]) -> list[str]:
    """Two of the versions, others for each commit; all of them if everything is asked for."""
    if everything_asked_for() or len(versions) < 2:
        return list(versions)
    turn = commits()
    return [versions[turn % len(versions)], versions[(turn + len(versions) // 2) % len(versions)]]


def commits() -> int:
    """The number of commits; 0 outside a checkout."""
    try:
        count = subprocess.run(["git", "rev-list", "--count", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    except OSError:
        return 0
    return int(count.stdout) if count.returncode == 0 else 0


class Plan:
    """The jobs, in the order in which they begin, and messages about jobs that could not be planned."""

    def __init__(self) -> None:
        self.builds: list[Job] = []
        self.jobs: list[Job] = []
        self.missing: list[str] = []
        next_ones = Job("Debian's Pythons", [NEXT_PYTHONS[0], "install", NEXT_PYTHONS[2]])
        interpreters = {}
        for version in VERSIONS:
            interpreter = Interpreter(version, f"python{version}", NEXT_PYTHONS) if version in NEXT else find(version)
            if interpreter is None:
                self.missing.append(version)
            else:
                interpreters[version] = interpreter
        built = {}
        for version, interpreter in interpreters.items():
            if version in NEXT and next_ones not in self.builds:
                self.builds.append(next_ones)
            after = [next_ones] if version in NEXT else []
            built[version] = self._build(interpreter, after)
        there = list(interpreters)
        for version, interpreter in interpreters.items():
            self._tests(interpreter, built[version], whole=version == there[-1])
        slow = SLOW_TESTS_ON if SLOW_TESTS_ON in interpreters else there[0]
        if not everything_asked_for():
            self._add("slow", interpreters[slow].make("test", "SLOW=1", "ARGS=-m slow"), built[slow])
        one = ONCE_ON if ONCE_ON in interpreters else there[0]
        # The longest come first, so that both lanes end at about the same time.
        for name, target in ONCE.items():
            self._add(name, interpreters[one].make(target), built[one])
        for version in two_in_turn(there):
            sanitize = interpreters[version].make("sanitize", f"ARGS={' '.join(SANITIZED)}")
            self._add(f"{version} sanitizers", sanitize, built[version])
        for version in two_in_turn(there):
            self._add(f"{version} suites", interpreters[version].make("test-suites"), built[version])

    def _build(self, interpreter: Interpreter, after: Sequence[Job]) -> Job:
        # An earlier build was perhaps made without -Werror.
        for stamp in ROOT.glob(f".venv-{interpreter.version}/.built-*"):
            stamp.unlink()
        required = ("THREAD_TELEMETRY_REQUIRE_EXTENSION=1", "CFLAGS=-Werror")
        prefix, make = interpreter.prefix, Interpreter(interpreter.version, interpreter.python).make("build")
        job = Job(f"{interpreter.version} build", [*prefix, "env", *required, *make], after=after)
        self.builds.append(job)
        return job

    def _tests(self, interpreter: Interpreter, built: Job, *, whole: bool) -> None:
        version = interpreter.version
        slow = everything_asked_for()
        arguments = "" if whole or slow else without(*ABOVE_THE_CORE)
        self._add(f"{version} C", interpreter.make("test", f"SLOW={int(slow)}", f"ARGS={arguments}"), built)
        # On the oldest, code above the core is tested with the twin.
        whole = version == VERSIONS[0] or slow
        arguments = "" if whole else without(*ABOVE_THE_CORE, *BESIDE_THE_CORE)
        self._add(f"{version} pure", interpreter.make("test", "PURE=1", f"ARGS={arguments}"), built)

    def _add(self, name: str, command: Sequence[str], built: Job) -> None:
        self.jobs.append(Job(name, command, after=[built]))


class Runner:
    """Run jobs, each in a process group of its own, and report progress."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._finished = 0
        self._say = threading.Lock()
        self._groups: set[int] = set()

    def run(self, job: Job) -> None:
        for earlier in job.after:
            earlier.done.wait()
        failed = [earlier.name for earlier in job.after if not earlier.succeeded]
        if failed:
            job.state = f"NOT RUN: {failed[0]} failed"
        else:
            self._line(f"--- {job.name}")
            started = time.monotonic()
            job.state, job.output = self._execute(job)
            job.seconds = time.monotonic() - started
        self._report(job)
        job.done.set()

    def _execute(self, job: Job) -> tuple[str, str]:
        environment = os.environ | {"NO_COLOR": "1"} | job.environment
        with subprocess.Popen(
            job.command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        ) as process:
            self._groups.add(process.pid)
            try:
                output, _ = process.communicate(timeout=LIMIT)
                state = "ok" if process.returncode == 0 else f"FAILED ({process.returncode})"
            except subprocess.TimeoutExpired:
                self._end(process.pid)
                output, _ = process.communicate()
                state = f"NOT DONE in {LIMIT / 60:g} min"
            finally:
                self._groups.discard(process.pid)
        return state, output

    def _report(self, job: Job) -> None:
        with self._say:
            self._finished += 1
            # After a success the last lines are enough.
            lines = job.output.splitlines()
            shown = lines[-12:] if job.succeeded else lines[-3000:]
            print(f"\n=== {job.name}: {job.state}, {job.seconds:.0f} s ({self._finished} of {self._total})", flush=True)
            print("\n".join(shown), flush=True)

    def _line(self, text: str) -> None:
        with self._say:
            print(text, flush=True)

    def _end(self, group: int) -> None:
        try:
            os.killpg(group, signal.SIGTERM)
            time.sleep(2)
            os.killpg(group, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def end_all(self) -> None:
        for group in list(self._groups):
            self._end(group)


def run_all(plan: Plan) -> None:
    """Run the builds one after the other and, as soon as its build is there, each job; a few side by side."""
    runner = Runner(len(plan.builds) + len(plan.jobs))
    waiting = iter(plan.jobs)
    taking = threading.Lock()

    def take() -> Iterator[Job]:
        while True:
            with taking:
                job = next(waiting, None)
            if job is None:
                return
            yield job

    def work(jobs: Iterator[Job]) -> None:
        for job in jobs:
            runner.run(job)

    # Builds share files beside the sources, so they take turns.
    workers = [threading.Thread(target=work, args=(iter(plan.builds),), daemon=True)]
    workers += [threading.Thread(target=work, args=(take(),), daemon=True) for _ in range(SIDE_BY_SIDE)]
    try:
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    except KeyboardInterrupt:
        runner.end_all()
        raise


def closing_line(jobs: Sequence[Job]) -> str:
    """Output of the first job that failed, else of the whole suite with the C core."""
    with_line = [job for job in jobs if job.closing_line]
    failed = [job for job in with_line if not job.succeeded]
    whole = [job for job in with_line if job.name == f"{VERSIONS[-1]} C"]
    chosen = (failed or whole or with_line)[:1]
    return chosen[0].closing_line if chosen else ""


def main() -> int:
    started = time.monotonic()
    plan = Plan()
    try:
        run_all(plan)
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130
    rows = plan.builds + plan.jobs
    print("\n=== all jobs")
    for job in rows:
        print(f"{job.name:16} {job.state:12} {job.seconds:5.0f} s  {job.closing_line}")
    for version in plan.missing:
        print(f"{version:16} NOT TESTED: it is not installed")
    print(f"{'in all':29} {time.monotonic() - started:5.0f} s")
    print(f"\n{closing_line(rows)}")
    return 0 if rows and all(job.succeeded for job in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
