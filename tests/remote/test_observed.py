"""Programs that we observe, seen from outside: their locks say who holds them, however they were taken."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from planted_programs import planted, thread

from thread._backend import core
from thread._remote.layout import observed

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="another process is read on Linux only"),
    pytest.mark.skipif(core.NAME != "c", reason="the locks of the C core are what is read"),
]

INCLUDE = Path(sysconfig.get_path("include"))
SOURCES = Path(__file__).parent.parent.parent / "src" / "thread" / "_c"


@pytest.mark.parametrize(
    ("program_name", "kind"),
    [
        pytest.param("two_locks_by_with", "deadlock", marks=pytest.mark.slow),
        ("two_locks_by_acquire", "deadlock"),
        pytest.param("two_rlocks", "deadlock", marks=pytest.mark.slow),
        ("two_bounded_semaphores", "deadlock"),
        pytest.param("joins_in_a_ring", "deadlock", marks=pytest.mark.slow),
        pytest.param("future_under_a_lock", "deadlock", marks=pytest.mark.slow),
        ("pool_in_itself", "pool_waits_for_itself"),
        pytest.param("lock_twice", "waits_for_itself", marks=pytest.mark.slow),
    ],
)
def test_a_hang_is_certain(program_name: str, kind: str) -> None:
    with planted(program_name, observed=True) as program:
        dump = program.dump_when(lambda dump: dump.is_hung)
    assert [finding.kind for finding in dump.findings] == [kind]


def test_the_owner_of_a_lock_is_seen_without_a_trace_on_its_stack() -> None:
    with planted("released_inside", observed=True) as program:
        dump = program.dump_when_waiting("client", kind="lock")
    client = thread(dump, "client")
    assert client and client.wait and [owner.thread for owner in client.wait.owners] == ["silent"]


@pytest.mark.slow
@pytest.mark.parametrize("program_name", ["condition", "empty_queue", "pool_with_room", "semaphore_of_unknown_size"])
def test_what_only_waits_is_no_finding(program_name: str) -> None:
    with planted(program_name, observed=True) as program:
        dump = program.dump_when(lambda dump: any(each.wait for each in dump.threads))
    assert not dump.findings


@pytest.mark.skipif(not shutil.which(os.environ.get("CC", "cc").split()[0]), reason="there is no C compiler")
def test_a_mutex_is_laid_out_as_the_core_says(tmp_path: Path) -> None:
    program = tmp_path / "mutex.c"
    program.write_text(
        '#include "core.h"\n#include "mutex.h"\n#include <stdio.h>\nint main(void) {\n'
        'printf("%zu %zu %zu", sizeof(Mutex), offsetof(Mutex, word), offsetof(Mutex, queue)); return 0; }\n'
    )
    paths = [f"-I{INCLUDE}", f"-I{sysconfig.get_path('platinclude')}", f"-I{SOURCES}"]
    compiler = os.environ.get("CC", "cc").split()
    objects = ["-Wl,--unresolved-symbols=ignore-all", "-o", str(tmp_path / "mutex")]
    subprocess.run([*compiler, "-w", "-O1", *paths, str(program), *objects], check=True)
    said = subprocess.run([tmp_path / "mutex"], check=True, capture_output=True, text=True).stdout
    assert said.split() == [str(observed.MUTEX_SIZE), str(observed.MUTEX_WORD), str(observed.MUTEX_QUEUE)]
