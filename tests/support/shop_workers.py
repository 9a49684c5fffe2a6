"""The shop as a service of several processes, with customers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from example_programs import EXAMPLES, free_port

_START = 60.0
"""Seconds the service has to answer, even on a busy machine."""


@dataclass
class ShopWorkers:
    """gunicorn and its workers, which serve the shop and share a metrics page."""

    gunicorn: subprocess.Popen[str]
    port: int
    metrics_port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def metrics(self) -> str:
        """Fetch the page of all processes in Prometheus's text format."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=30) as page:
            return str(page.read().decode())

    def workers(self) -> list[int]:
        """Return the processes that currently serve requests."""
        children = Path(f"/proc/{self.gunicorn.pid}/task/{self.gunicorn.pid}/children").read_text()
        return [int(child) for child in children.split()]


@contextmanager
def running_shop_workers(folder: Path, **environment: str) -> Iterator[ShopWorkers]:
    """Run two workers with four threads each, which write their metrics twice a second to a folder inside `folder`."""
    shared = folder / "metrics"
    shared.mkdir()
    port, metrics_port = free_port(), free_port()
    command = [sys.executable, "-m", "gunicorn", "--worker-class", "gthread", "--workers", "2", "--threads", "4"]
    options = ["--bind", f"127.0.0.1:{port}", "--no-control-socket", "shop.wsgi:application"]
    observation = {
        "THREAD_TELEMETRY": "1",
        "THREAD_TELEMETRY_EXPORTERS": "prometheus",
        "THREAD_TELEMETRY_EXPORT_INTERVAL": "0.5",
        "THREAD_TELEMETRY_PORT": str(metrics_port),
        "PROMETHEUS_MULTIPROC_DIR": str(shared),
        "SHOP_DATABASE": str(folder / "shop.sqlite"),
        # gunicorn leaves state files there.
        "HOME": str(folder),
    }
    log = folder / "gunicorn.log"
    with log.open("w") as written:
        process = subprocess.Popen(
            [*command, *options], cwd=EXAMPLES, env=os.environ | observation | environment, stderr=written, text=True
        )
    workers = ShopWorkers(process, port, metrics_port, log)
    try:
        _wait_until_serving(workers)
        yield workers
        process.terminate()
        assert process.wait(60) == 0, log.read_text()
    finally:
        if process.poll() is None:
            for worker in workers.workers():
                os.kill(worker, signal.SIGKILL)
            process.kill()
            process.wait()


@contextmanager
def customers(url: str, rate: float = 30, seconds: float = 600) -> Iterator[None]:
    """Put the examples' load on a shop, until the end of the block or for the given seconds."""
    options = ["--url", url, "--rate", f"{rate:g}", "--seconds", f"{seconds:g}"]
    process = subprocess.Popen(
        [sys.executable, str(EXAMPLES / "load.py"), *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.kill()
        process.wait()


def _wait_until_serving(workers: ShopWorkers) -> None:
    deadline = time.monotonic() + _START
    while time.monotonic() < deadline and workers.gunicorn.poll() is None:
        try:
            with urllib.request.urlopen(f"{workers.url}/health", timeout=10):
                workers.metrics()
                return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"the shop did not answer within {_START:g} s:\n{workers.log.read_text()}")
