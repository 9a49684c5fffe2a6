"""The command `thread dump`, and processes that make it hard: busy, deep, crowded, stopped, or gone."""

from __future__ import annotations

import inspect
import json
import os
import re
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import WaitUntil
from planted_programs import PlantedProgram, file_with, planted, thread

from thread._remote import command
from thread._remote.command import CannotDumpError, Request, collect, dump_process, dump_processes
from thread._remote.formats.text import printable
from thread._remote.kernel import rights
from thread._remote.kernel.memory import PageCopy, ProcessMemory, UnreadableMemoryError
from thread._remote.kernel.pause import copy_while_stopped
from thread._remote.kernel.process import LiveProcess, descendants, every_process, may_run_python, status_of
from thread._remote.wait_graph import findings

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="another process is read on Linux only")


def thread_dump(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "thread", "dump", *arguments], capture_output=True, text=True, timeout=60
    )


@pytest.fixture(scope="module")
def deadlock() -> Iterator[PlantedProgram]:
    with planted("two_locks_by_with") as program:
        program.dump_when(lambda dump: dump.findings)
        yield program


def test_the_command_says_the_worst_first_and_exits_with_3(deadlock: PlantedProgram) -> None:
    done = thread_dump(str(deadlock.pid))
    assert done.returncode == 3 and not done.stderr
    first, _, empty, finding = done.stdout.splitlines()[:4]
    assert first.startswith(f"process {deadlock.pid}, Python 3.") and not empty
    assert finding.startswith("DEADLOCK  certain, for ")
    assert 'held by "audit"' in done.stdout and 'held by "transfer"' in done.stdout


def test_json_has_all_that_the_text_has(deadlock: PlantedProgram, capsys: pytest.CaptureFixture[str]) -> None:
    assert dump_processes(Request(deadlock.pid, form="json")) == 3
    (process,) = json.loads(capsys.readouterr().out)["processes"]
    assert process["hung"] and process["findings"][0]["kind"] == "deadlock"
    waits = {each["name"]: each["wait"] for each in process["threads"] if each["wait"]}
    assert waits["transfer"]["what"] == "journal" and waits["transfer"]["owners"][0]["thread"] == "audit"
    assert waits["transfer"]["owners"][0]["acquired"]["file"].endswith("planted.py")


def test_dot_has_the_ring(deadlock: PlantedProgram, capsys: pytest.CaptureFixture[str]) -> None:
    assert dump_processes(Request(deadlock.pid, form="dot")) == 3
    graph = capsys.readouterr().out
    assert graph.startswith("digraph") and graph.count("->") == 4 and graph.count("color=red") == 2


def test_the_text_is_what_a_terminal_can_be_given() -> None:
    assert printable("\x1b[2J naïve \x07") == "\N{REPLACEMENT CHARACTER}[2J naïve \N{REPLACEMENT CHARACTER}"


def test_children_are_dumped_too_the_hung_ones_first() -> None:
    with planted("children") as program:
        dumps, failures = [], ["none yet"]
        deadline = time.monotonic() + 10
        while failures or not any(dump.findings for dump in dumps):
            assert time.monotonic() < deadline
            dumps, failures = collect(Request(program.pid, children=True))
        assert len(dumps) == 2 and dumps[0].is_hung and dumps[1].pid == program.pid


def test_every_process_that_we_may_read(deadlock: PlantedProgram, monkeypatch: pytest.MonkeyPatch) -> None:
    others = [pid for pid in every_process() if not may_run_python(pid)]
    some = [deadlock.pid, *others[:5]]
    monkeypatch.setattr(command, "every_process", lambda: some)
    dumps, failures = collect(Request(None))
    assert deadlock.pid in {dump.pid for dump in dumps if dump.is_hung} and not failures


@pytest.mark.parametrize("arguments", [(), ("no",), ("1", "--all"), ("--json", "--dot", "1"), ("0",)])
def test_arguments_that_make_no_sense_are_refused(arguments: tuple[str, ...]) -> None:
    done = thread_dump(*arguments)
    assert done.returncode == 2 and "usage:" in done.stderr


def test_the_options_and_findings_of_the_documentation_exist() -> None:
    text = (Path(__file__).parent.parent.parent / "docs" / "dump.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`thread dump (--\w+)", text))
    assert named == set(re.findall(r"^  (--\w+)", thread_dump("--help").stdout, re.MULTILINE))
    kinds = set(re.findall(r'"(\w+_\w+|deadlock)"', inspect.getsource(findings)))
    titles = re.findall(r"^\| `([A-Z ]{8,})", text, re.MULTILINE)
    assert {title.strip().lower().replace(" ", "_") for title in titles} <= kinds


def test_a_process_that_does_not_exist_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert dump_processes(Request(gone.pid)) == 1
    assert f"there is no process {gone.pid}" in capsys.readouterr().err


def test_a_process_without_python_is_said() -> None:
    sleep = subprocess.Popen(["sleep", "1000"])
    try:
        deadline = time.monotonic() + 10
        with pytest.raises(CannotDumpError, match="no Python in this process"):
            while time.monotonic() < deadline:  # Until it has become sleep, it is a fork of ours.
                dump_process(sleep.pid)
    finally:
        sleep.kill()
        sleep.wait()


def test_a_process_that_has_become_another_program_is_said(wait_until: WaitUntil) -> None:
    with planted("execs") as program:
        assert program.dump().threads
        assert program.process.stdin is not None
        program.process.stdin.write("\n")
        program.process.stdin.flush()
        wait_until(lambda: "sleep" in status_of(program.pid)["Name"])
        with pytest.raises(CannotDumpError):
            program.dump()


def test_a_process_that_ends_meanwhile_is_said() -> None:
    for delay in range(8):
        process = subprocess.Popen([sys.executable, "-S", "-c", "print(flush=True)"], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(delay / 1000)
        try:
            dump_process(process.pid)
        except CannotDumpError as error:
            assert str(process.pid) in str(error)
        process.communicate()


def test_a_stopped_process_is_read_and_stays_stopped(deadlock: PlantedProgram, wait_until: WaitUntil) -> None:
    os.kill(deadlock.pid, signal.SIGSTOP)
    wait_until(lambda: status_of(deadlock.pid)["State"].startswith("T"))
    try:
        first = deadlock.dump_when(lambda dump: {each.state for each in dump.threads} == {"is stopped"})
        for dump in (first, deadlock.dump(pause=True)):
            assert thread(dump, "transfer") and dump.is_hung
            assert status_of(deadlock.pid)["State"].startswith("T")
    finally:
        os.kill(deadlock.pid, signal.SIGCONT)


def test_threads_that_never_stand_still_are_not_taken_for_owners() -> None:
    with planted("busy") as program:
        for _ in range(5):
            dump = program.dump()
            owners = {owner.native_id for each in dump.threads if each.wait for owner in each.wait.owners}
            assert len(owners) <= 1 and not dump.is_hung


def test_a_pause_shows_all_at_one_moment_and_the_process_goes_on(wait_until: WaitUntil) -> None:
    with planted("busy") as program:
        for _ in range(5):
            dump = program.dump(pause=True)
            assert len([each for each in dump.threads if each.name == "spin"]) == 3
            assert dump.paused is not None and not dump.is_hung
        wait_until(lambda: not status_of(program.pid)["State"].startswith("T"))


def test_a_deadlock_is_certain_under_a_pause_too(deadlock: PlantedProgram) -> None:
    dump = deadlock.dump(pause=True)
    assert dump.is_hung and dump.paused is not None


def test_the_process_goes_on_when_we_are_killed_while_it_is_stopped(wait_until: WaitUntil) -> None:
    with planted("busy") as program:
        child = fork()
        if child == 0:
            process = LiveProcess(program.pid)
            PageCopy.run = lambda copy: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[method-assign]
            copy_while_stopped(process, [1])
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
        wait_until(lambda: not status_of(program.pid)["State"].startswith("T"))


def test_a_lock_is_found_under_thousands_of_frames() -> None:
    with planted("deep_stack") as program:
        dump = program.dump_when(lambda dump: dump.findings)
    client, owner = thread(dump, "client"), thread(dump, "owner")
    assert client and client.wait and [each.thread for each in client.wait.owners] == ["owner"]
    assert owner and not owner.complete and len(owner.stack) < 1000
    assert owner.stack[-4].function.endswith("owner")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a namespace")
def test_the_first_process_of_a_container_is_read_from_outside() -> None:
    command = [
        "unshare",
        "--pid",
        "--fork",
        "--mount-proc",
        sys.executable,
        "-I",
        str(file_with("two_locks_by_with")),
        "two_locks_by_with",
    ]
    container = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        if not container.stdout or container.stdout.readline() != "planted\n":
            pytest.skip("no namespace can be made here")
        program = PlantedProgram(container, pid=descendants(container.pid)[0])
        dump = program.dump_when(lambda dump: dump.findings)
        main = next(each for each in dump.threads if each.native_id == 1)
        assert dump.is_hung and main.name == "MainThread" and program.pid != 1
    finally:
        container.communicate()


@pytest.mark.slow
def test_five_thousand_threads() -> None:
    with planted("many_threads", "5000") as program:
        dump = program.dump_when(lambda dump: sum(each.wait is not None for each in dump.threads) == 5000, 60)
    assert len(dump.threads) == 5001 and dump.complete


def test_memory_is_read_from_the_file_where_there_is_no_call(
    deadlock: PlantedProgram, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = LiveProcess(deadlock.pid)
    memory = process.memory
    assert isinstance(memory, ProcessMemory)
    by_call = memory.read(process.images()[0].base, 64)
    monkeypatch.setattr(memory, "_call", None)
    assert memory.read(process.images()[0].base, 64) == by_call
    with pytest.raises(UnreadableMemoryError):
        memory.read(4096, 8)
    memory.close()


NOBODY = 65534


def fork() -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_another_users_process_is_refused_with_the_command_that_helps(deadlock: PlantedProgram) -> None:
    reader, writer = os.pipe()
    child = fork()
    if child == 0:
        os.setresuid(NOBODY, NOBODY, NOBODY)
        try:
            dump_process(deadlock.pid)
        except CannotDumpError as error:
            os.write(writer, str(error).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writer)
    with os.fdopen(reader) as said:
        message = said.read()
    assert "belongs to another user" in message and f"sudo {sys.executable} -m thread dump {deadlock.pid}" in message


@pytest.mark.parametrize(
    ("scope", "said"), [(1, "echo 0 | sudo tee"), (2, "only with CAP_SYS_PTRACE"), (3, "ptrace_scope is 3")]
)
def test_a_restricted_kernel_is_explained(scope: int, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rights, "_trace_scope", lambda: scope)
    monkeypatch.setattr(rights, "_may_trace", lambda: False)
    assert said in rights.explain_refusal(os.getpid())
