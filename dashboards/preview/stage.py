"""Services with planted faults, and the Prometheus that scrapes them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import alert_rules
from example_programs import EXAMPLES, free_port
from prometheus_server import Prometheus, running_prometheus

PROGRAMS: Final = Path(__file__).parent / "programs.py"
UNOBSERVED: Final = Path(__file__).parent / "unobserved.py"
SECONDS_TO_START: Final = 120.0


@dataclass(frozen=True)
class Pod:
    """One instance of a service: its program, and the seconds after which it is killed."""

    job: str
    name: str
    program: tuple[str, ...]
    dies_after: float | None = None
    is_shop: bool = False

    @property
    def instance(self) -> str:
        return f"{self.name}:9464"

    def command(self) -> list[str]:
        if self.program == (str(UNOBSERVED),):
            return [sys.executable, *self.program]
        observed = [sys.executable, "-m", "thread", "run", "--exporter", "prometheus", "--port", "0"]
        return [*observed, *self.program]


@dataclass
class Running:
    """A pod's process, and a file of what it says on stderr."""

    pod: Pod
    process: subprocess.Popen[bytes]
    errors: Path

    def address(self) -> str | None:
        """The place of its metrics, once it has said so. Raises AssertionError if it ended."""
        said = self.errors.read_text()
        assert self.process.poll() is None, said
        found = re.search(r"http://(\S+)/metrics", said)
        return found and found[1]


@dataclass
class Stage:
    """Everything that runs. `began` is the Unix time from which Prometheus scrapes."""

    prometheus: Prometheus
    scrape: float
    faster: float
    began: float = field(default_factory=time.time)
    pods: list[Running] = field(default_factory=list)

    def play(self, seconds: float) -> None:
        """Let it run, and kill each pod at its time."""
        while (age := time.time() - self.began) < seconds:
            for each in self.pods:
                if each.pod.dies_after is not None and age > each.pod.dies_after and each.process.poll() is None:
                    each.process.kill()
            time.sleep(0.2)


@contextlib.contextmanager
def staged(folder: Path, pods: Sequence[Pod], *, scrape: float = 1.0, faster: int = 60) -> Iterator[Stage]:
    """Run the pods and a Prometheus that scrapes them, with all time in the alert rules divided by `faster`."""
    with contextlib.ExitStack() as stack:
        running = [stack.enter_context(_running(folder, pod)) for pod in pods]
        addresses = _addresses(running)
        _configure(folder, addresses, scrape, faster)
        prometheus = stack.enter_context(running_prometheus(folder))
        yield Stage(prometheus, scrape, faster, pods=running)


@contextlib.contextmanager
def _running(folder: Path, pod: Pod) -> Iterator[Running]:
    errors = folder / f"{pod.job}-{pod.name}.stderr"
    port = free_port()
    program = [*pod.command(), *(["--port", str(port)] if pod.is_shop else [])]
    with contextlib.ExitStack() as stack:
        with errors.open("wb") as stderr:
            process = _started(stack, program, stderr)
        if pod.is_shop:
            load = [sys.executable, str(EXAMPLES / "load.py"), "--url", f"http://127.0.0.1:{port}"]
            _started(stack, [*load, "--rate", "12", "--seconds", "36000"], subprocess.DEVNULL)
        yield Running(pod, process, errors)


def _started(stack: contextlib.ExitStack, command: list[str], stderr: object) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(command, cwd=EXAMPLES, env=os.environ, stdout=subprocess.DEVNULL, stderr=stderr)  # type: ignore[call-overload]
    stack.callback(process.wait)
    stack.callback(process.kill)
    return process  # type: ignore[no-any-return]


def _addresses(running: Sequence[Running]) -> dict[Pod, str]:
    deadline = time.monotonic() + SECONDS_TO_START
    found: dict[Pod, str] = {}
    while len(found) < len(running):
        assert time.monotonic() < deadline, f"waited {SECONDS_TO_START:g} s in vain for all services to start"
        time.sleep(0.1)
        found = {each.pod: address for each in running if (address := each.address())}
    return found


def _configure(folder: Path, addresses: dict[Pod, str], scrape: float, faster: int) -> None:
    targets = [
        {"targets": [address], "labels": {"job": pod.job, "instance": pod.instance}}
        for pod, address in addresses.items()
    ]
    every = f"{scrape * 1000:.0f}ms"
    configuration = {
        "global": {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every},
        "rule_files": ["rules.yml"],
        "scrape_configs": [{"job_name": "pods", "static_configs": targets}],
    }
    # All JSON is YAML.
    (folder / "prometheus.yml").write_text(json.dumps(configuration))
    (folder / "rules.yml").write_text(json.dumps(alert_rules.faster(faster)))
