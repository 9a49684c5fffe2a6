"""A real Prometheus for tests."""

from __future__ import annotations

import json
import math
import re
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from required_tools import tool

_START = 30.0
"""Seconds it has to become ready, even on a busy machine."""


class PrometheusError(Exception):
    """A request that Prometheus refused, with its own explanation."""


@dataclass(frozen=True)
class Sample:
    """A series of an answer, with its value at the requested time."""

    labels: dict[str, str]
    value: float


class Prometheus:
    """The HTTP API of a running Prometheus. Every call raises PrometheusError if the request is refused."""

    def __init__(self, url: str) -> None:
        self.url = url

    def query(self, expression: str, at: float | None = None) -> list[Sample]:
        """Evaluate an expression now or at a Unix time. A scalar is one sample."""
        result = self._get("query", query=expression, **({} if at is None else {"time": at}))
        if result["resultType"] == "scalar":
            return [Sample({}, float(result["result"][1]))]
        return [Sample(each["metric"], float(each["value"][1])) for each in result["result"]]

    def value(self, expression: str) -> float:
        """Return the only value of an expression; NaN if it has none."""
        samples = self.query(expression)
        assert len(samples) <= 1, f"expected one series of {expression!r}, got {samples}"
        return samples[0].value if samples else math.nan

    def query_range(self, expression: str, start: float, end: float, step: float) -> list[list[tuple[float, float]]]:
        """Return times and values of each series between two Unix times, `step` seconds apart."""
        result = self._get("query_range", query=expression, start=start, end=end, step=step)["result"]
        return [[(at, float(value)) for at, value in each["values"]] for each in result]

    def series(self, *matchers: str) -> list[dict[str, str]]:
        """Return the labels of all series that match one of the selectors."""
        found: list[dict[str, str]] = self._get("series", **{"match[]": matchers})
        return found

    def exemplars(self, expression: str) -> list[dict[str, Any]]:
        """Return the exemplars of the last hour: for each series, its labels and a list."""
        now = time.time()
        found: list[dict[str, Any]] = self._get("query_exemplars", query=expression, start=now - 3600, end=now + 1)
        return found

    def alerts(self) -> list[dict[str, Any]]:
        """Return pending and firing alerts."""
        alerts: list[dict[str, Any]] = self._get("alerts")["alerts"]
        return alerts

    def rules(self) -> list[dict[str, Any]]:
        """Return the recording and alerting rules of all groups, with their health and last error."""
        return [rule for group in self._get("rules")["groups"] for rule in group["rules"]]

    def targets(self) -> list[dict[str, Any]]:
        """Return the scrape targets with their health and last error."""
        targets: list[dict[str, Any]] = self._get("targets")["activeTargets"]
        return targets

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=10):
                return True
        except OSError:
            return False

    def _get(self, path: str, **parameters: Any) -> Any:
        address = f"{self.url}/api/v1/{path}?{urlencode(parameters, doseq=True)}"
        try:
            with urllib.request.urlopen(address, timeout=30) as response:
                return json.load(response)["data"]
        except urllib.error.HTTPError as error:
            raise PrometheusError(f"{path} {parameters}: {error.read().decode()}") from None


@contextmanager
def running_prometheus(folder: Path, data: Path | None = None) -> Iterator[Prometheus]:
    """A Prometheus with the `prometheus.yml` of a folder, on a free port.

    Its database is the folder `data`, or one that goes at the end.

    It has to become ready, and to end well at SIGTERM. Skips the test where Prometheus is not installed.
    """
    program = tool("prometheus", "prometheus")
    with tempfile.TemporaryDirectory(prefix="prometheus-") as temporary:
        command = [program, f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={data or temporary}"]
        options = ["--web.listen-address=127.0.0.1:0", "--enable-feature=exemplar-storage", "--log.level=info"]
        with subprocess.Popen([*command, *options], stderr=subprocess.PIPE, text=True) as process:
            log: list[str] = []
            reader = threading.Thread(target=_read, args=(process, log), daemon=True)
            reader.start()
            try:
                yield Prometheus(_wait_until_ready(process, log))
                process.terminate()
                assert process.wait(30) == 0, "".join(log)
            finally:
                process.kill()
                reader.join(10)


def promtool(*arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    """Complaints about files, or about a text, in `stdout` and `stderr`; the status is other than 0 if there are
    any."""
    command = [tool("promtool", "prometheus"), *arguments]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=60)


def _read(process: subprocess.Popen[str], log: list[str]) -> None:
    assert process.stderr is not None
    log.extend(process.stderr)


def _wait_until_ready(process: subprocess.Popen[str], log: list[str]) -> str:
    """Find its address. It chose the port itself, so nobody else can take it first."""
    deadline = time.monotonic() + _START
    while time.monotonic() < deadline and process.poll() is None:
        listening = re.search(r'msg="Listening on" address=(\S+)', "".join(list(log)))
        if listening and Prometheus(url := f"http://{listening[1]}").is_ready():
            return url
        time.sleep(0.05)
    raise AssertionError(f"Prometheus was not ready within {_START:g} s:\n{''.join(log)}")
