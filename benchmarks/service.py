"""A threaded web service under load from another process: all observed, by `python -m thread run`, or not at all."""

from __future__ import annotations

import importlib.util
import json
import selectors
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from ._harness import clock, compare
from ._promises import CALIBRATING, Measured, Row, Unmeasurable, at_least
from ._script import main

APP = Path(__file__).with_name("service_app.py")
OBSERVED = () if CALIBRATING else ("-m", "thread", "run", "--port", "0")
CONNECTIONS = 8
REQUEST = b"GET /articles HTTP/1.1\r\nHost: localhost\r\n\r\n"


@contextmanager
def service(*options: str) -> Iterator[int]:
    """A running service; its port."""
    command = [sys.executable, *options, str(APP)]
    # What it may say on stderr is little: it is stopped before it has a report to give.
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            port = process.stdout.readline()
            if not port:
                raise Unmeasurable(f"the service does not start: {process.stderr.read().strip()}")
            yield int(port)
        finally:
            process.kill()


class Load:
    """A side that lets the service answer so many requests, over connections that stay open."""

    def __init__(self, port: int) -> None:
        self.requests = 0
        self._port = port
        self._connections = [socket.create_connection(("127.0.0.1", port)) for _ in range(CONNECTIONS)]
        self._size = len(answer(self._connections[0], REQUEST))
        self._selector = selectors.DefaultSelector()
        for connection in self._connections:
            self._selector.register(connection, selectors.EVENT_READ)
        self._cpu_time_before = self.usage()["cpu_time"]

    def __call__(self, count: int) -> int:
        self.requests += count
        start = clock()
        missing = {}
        for connection in self._connections[:count]:
            connection.sendall(REQUEST)
            missing[connection] = self._size
        to_send = count - len(missing)
        while missing:
            for key, _ in self._selector.select():
                connection = cast("socket.socket", key.fileobj)
                received = len(connection.recv(65536))
                if not received:
                    raise ConnectionError("the service closed a connection")
                missing[connection] -= received
                if missing[connection]:
                    continue
                if to_send:
                    connection.sendall(REQUEST)
                    missing[connection] = self._size
                    to_send -= 1
                else:
                    del missing[connection]
        return clock() - start

    @property
    def cpu_time(self) -> float:
        """What the service has spent on each request, in nanoseconds."""
        return (self.usage()["cpu_time"] - self._cpu_time_before) / self.requests

    def usage(self) -> dict[str, int]:
        with socket.create_connection(("127.0.0.1", self._port)) as connection:
            body = answer(connection, REQUEST.replace(b"/articles", b"/usage")).rpartition(b"\r\n")[2]
        numbers: dict[str, int] = json.loads(body)
        return numbers


def answer(connection: socket.socket, request: bytes) -> bytes:
    """One answer, header and body; all answers to a request are of one size."""
    connection.sendall(request)
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65536)
    header, _, body = received.partition(b"\r\n\r\n")
    fields = dict(line.split(b": ", 1) for line in header.split(b"\r\n")[1:])
    while len(body) < int(fields[b"Content-Length"]):
        body += connection.recv(65536)
    return header + b"\r\n\r\n" + body


def measure() -> Measured:
    if importlib.util.find_spec("waitress") is None:
        raise Unmeasurable("waitress is not installed")
    with service(*OBSERVED) as observed, service() as unobserved:
        ours, theirs = Load(observed), Load(unobserved)
        measured = compare(ours, theirs, seconds=16, turn=0.06).speeds
        acquisitions = ours.usage()["acquisitions"]
        cpu_time = ours.cpu_time / theirs.cpu_time
    if not CALIBRATING and acquisitions < ours.requests:
        raise Unmeasurable(f"the service was to be observed, but only {acquisitions} acquisitions were seen")
    return Measured(measured.values, f"{measured.detail}; {cpu_time:.3f} of the CPU time")


ROWS = (
    Row("service", "a threaded web service under load", "the same, unobserved", at_least(0.99), measure),
)

if __name__ == "__main__":
    main(ROWS)
