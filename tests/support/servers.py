"""Servers that services need, on free ports of 127.0.0.1 and with their data in the test's folder."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def postgresql(folder: Path) -> Iterator[dict[str, str]]:
    """Run a server that trusts everybody. Yields the standard variables for its clients."""
    initdb = _tool("initdb", "/usr/lib/postgresql/*/bin/initdb")
    user = getpass.getuser()
    data = folder / "data"
    # It refuses to run as root.
    as_user = "postgres" if os.geteuid() == 0 else user
    if as_user != user:
        for each in (folder, *folder.parents[:2]):
            each.chmod(0o755)
        shutil.chown(folder, as_user)
    # Fast but not durable.
    options = "-c fsync=off -c full_page_writes=off -c synchronous_commit=off"
    port = free_port()
    run = {"user": as_user, "check": True, "stdout": subprocess.DEVNULL, "cwd": folder, "timeout": 60}
    subprocess.run([initdb, "-D", data, "-A", "trust", "-U", "postgres", "--no-sync"], **run)
    command = [initdb.with_name("postgres"), "-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", folder]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen([*command, *options.split()], user=as_user, stdout=log, stderr=log, cwd=folder)
    try:
        _wait_for_port(port)
        yield {"PGHOST": "127.0.0.1", "PGPORT": str(port), "PGUSER": "postgres"}
    finally:
        server.terminate()
        server.wait(30)


@contextmanager
def redis(folder: Path) -> Iterator[str]:
    """Run a server for one test. Yields its address."""
    port = free_port()
    command = [_tool("redis-server"), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        _wait_for_port(port)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait(30)


def _tool(name: str, elsewhere: str = "") -> Path:
    found = shutil.which(name)
    paths = [Path(found)] if found else sorted(Path("/").glob(elsewhere.lstrip("/"))) if elsewhere else []
    if not paths:
        pytest.skip(f"{name} is not installed: make test-services installs it")
    return paths[-1]


def _wait_for_port(port: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
