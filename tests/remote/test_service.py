"""Many dumps of a web service under load: an owner that is named is the one that the service says it is."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from thread._remote.command import CannotDumpError, dump_process
from thread._remote.kernel.process import descendants
from thread._remote.views import Dump

pytest.importorskip("gunicorn")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="another process is read on Linux only"),
]

DUMPS = int(os.environ.get("DUMPS", "200"))


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    board = tmp_path / "board"
    board.write_bytes(bytes(4096))
    socket = tmp_path / "socket"
    command = ["-m", "gunicorn", "-k", "gthread", "--threads", "8", "-b", "127.0.0.1:0", "--log-file", str(socket)]
    server = subprocess.Popen(
        [sys.executable, *command, "served_app:application"],
        cwd=Path(__file__).parent,
        env=os.environ | {"BOARD": str(board)},
    )
    try:
        port = port_in(socket)
        for _ in range(6):
            threading.Thread(target=visit, args=(port, server), daemon=True).start()
        yield descendants(server.pid)[0], board
    finally:
        server.terminate()
        server.wait()


def port_in(log: Path) -> int:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for line in log.read_text().splitlines() if log.exists() else ():
            if "Listening at" in line:
                started = int(line.partition("127.0.0.1:")[2].split()[0])
            if "Booting worker" in line:
                return started
        time.sleep(0.01)
    raise AssertionError("the service did not start")


def visit(port: int, server: subprocess.Popen[bytes]) -> None:
    while server.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30).read()
        except OSError:
            time.sleep(0.01)


def owner_in(dump: Dump) -> set[int]:
    return {
        owner.native_id
        for each in dump.threads
        if each.wait and each.wait.what == "guard"
        for owner in each.wait.owners
    }


@pytest.mark.parametrize("pause", [False, True])
def test_an_owner_that_is_named_is_the_owner(worker: tuple[int, Path], pause: bool) -> None:
    pid, board = worker
    checked = named = 0
    for _ in range(DUMPS):
        before = board.read_bytes()[:16]
        try:
            dump = dump_process(pid, pause=pause)
        except CannotDumpError as error:
            pytest.fail(str(error))
        serial, owner = int.from_bytes(before[:8], "little"), int.from_bytes(before[8:], "little")
        assert not dump.is_hung
        if serial % 2 and board.read_bytes()[:16] == before:
            # One thread held it all the time.
            checked += 1
            named += bool(owner_in(dump))
            assert owner_in(dump) <= {owner}
    print(f"{DUMPS} dumps, {checked} of them within one hold, the owner named in {named}")
    assert checked and named
