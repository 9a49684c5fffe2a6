"""A threaded web service under load from another process: observed by `python -m thread run`, or unobserved.

For comparison, the same service under ddtrace's lock profiler.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import selectors
import socket
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import cast

from ._harness import clock, compare, duration
from ._promises import CALIBRATING, Measured, Row, Unmeasurable, at_least, at_most
from ._script import main

APP = Path(__file__).with_name("service_app.py")
UNOBSERVED: tuple[str, ...] = ()
OBSERVED = UNOBSERVED if CALIBRATING else ("-m", "thread", "run", "--port", "0")
# Without -P, modules beside the script could be imported instead of installed ones.
DATADOG = UNOBSERVED if CALIBRATING else ("-P", str(Path(__file__).with_name("datadog_run.py")))
CONNECTIONS = 8
REQUEST = b"GET /articles HTTP/1.1\r\nHost: localhost\r\n\r\n"


@contextmanager
def service(*options: str) -> Iterator[int]:
    """Run the service. Yields its port."""
    command = [sys.executable, *options, str(APP)]
    # It writes little to stderr, because it is stopped before it can print a report.
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
        self.latencies: list[int] = []
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
        sent = {}
        for connection in self._connections[:count]:
            sent[connection] = clock()
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
                self.latencies.append(clock() - sent[connection])
                if to_send:
                    sent[connection] = clock()
                    connection.sendall(REQUEST)
                    missing[connection] = self._size
                    to_send -= 1
                else:
                    del missing[connection]
        return clock() - start

    @property
    def cpu_time(self) -> float:
        """Return the service's CPU time per request in nanoseconds."""
        return (self.usage()["cpu_time"] - self._cpu_time_before) / self.requests

    def usage(self) -> dict[str, int]:
        with socket.create_connection(("127.0.0.1", self._port)) as connection:
            body = answer(connection, REQUEST.replace(b"/articles", b"/usage")).rpartition(b"\r\n")[2]
        numbers: dict[str, int] = json.loads(body)
        return numbers


def answer(connection: socket.socket, request: bytes) -> bytes:
    """Receive one answer, header and body. All answers to a request have the same size."""
    connection.sendall(request)
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65536)
    header, _, body = received.partition(b"\r\n\r\n")
    fields = dict(line.split(b": ", 1) for line in header.split(b"\r\n")[1:])
    while len(body) < int(fields[b"Content-Length"]):
        body += connection.recv(65536)
    return header + b"\r\n\r\n" + body


@contextmanager
def both(options: tuple[str, ...]) -> Iterator[tuple[Load, Load]]:
    """Provide loads for the service run with these options, and for the unobserved one."""
    if importlib.util.find_spec("waitress") is None:
        raise Unmeasurable("waitress is not installed")
    with service(*options) as observed, service(*UNOBSERVED) as unobserved:
        ours, theirs = Load(observed), Load(unobserved)
        yield ours, theirs
        acquisitions = ours.usage()["acquisitions"]
        if options == OBSERVED and not CALIBRATING and acquisitions < ours.requests:
            raise Unmeasurable(f"the service was not observed well: only {acquisitions} acquisitions were seen")


def throughput(options: tuple[str, ...]) -> Measured:
    with both(options) as (ours, theirs):
        measured = compare(ours, theirs, seconds=16, turn=0.06).speeds
        cpu_time = ours.cpu_time / theirs.cpu_time
    return Measured(measured.values, f"{measured.detail}; {cpu_time:.3f} of the CPU time")


def latency(options: tuple[str, ...]) -> Measured:
    """Compare the 99th percentiles of alternating turns of a second each."""
    ratios = []
    with both(options) as (ours, theirs):
        for _ in range(16):
            ours.latencies.clear()
            theirs.latencies.clear()
            compare(ours, theirs, seconds=1, turn=0.06)
            ratios.append(percentile_99(ours.latencies) / percentile_99(theirs.latencies))
    detail = f"{duration(percentile_99(ours.latencies))} against {duration(percentile_99(theirs.latencies))}"
    return Measured(tuple(ratios), detail)


def percentile_99(latencies: list[int]) -> float:
    return statistics.quantiles(latencies, n=100, method="inclusive")[-1]


def under_ddtrace(measure: Callable[[tuple[str, ...]], Measured]) -> Measured:
    try:
        version = importlib.metadata.version("ddtrace")
    except importlib.metadata.PackageNotFoundError:
        raise Unmeasurable("ddtrace is not installed") from None
    measured = measure(DATADOG)
    return Measured(measured.values, f"{measured.detail}; ddtrace {version}")


SAME = "the same, unobserved"
UNDER = "under ddtrace's lock profiler"
ROWS = (
    Row("service", "a threaded web service under load", SAME, at_least(0.99), partial(throughput, OBSERVED)),
    Row("service-p99", "its 99th percentile of latency", SAME, at_most(1.05), partial(latency, OBSERVED)),
    Row("service-datadog", f"the service {UNDER}", SAME, None, partial(under_ddtrace, throughput)),
    Row("service-datadog-p99", f"its percentile {UNDER}", SAME, None, partial(under_ddtrace, latency)),
)

if __name__ == "__main__":
    main(ROWS)
