"""Programs that a Prometheus watches with the rules of this repository, with all times divided."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import alert_rules
import yaml
from prometheus_server import Prometheus


@contextmanager
def running(arguments: tuple[str, ...], errors: Path, *, ends: bool = True, **variables: str) -> Iterator[None]:
    """Run a program, with its stderr in a file. It must end at Ctrl-C, or is killed if it is not one that `ends`."""
    with (
        errors.open("w") as stderr,
        subprocess.Popen(
            [sys.executable, *arguments],
            stdout=subprocess.DEVNULL,
            stderr=stderr,
            env=os.environ | variables,
        ) as process,
    ):
        try:
            yield
            if ends:
                process.send_signal(signal.SIGINT)
                process.wait(20)
        finally:
            process.kill()


def address(errors: Path) -> str | None:
    """Return the address of a program's metrics page, once it has printed it."""
    found = re.search(r"http://(\S+)/metrics", errors.read_text())
    return found and found[1]


def configure(folder: Path, addresses: Mapping[str, str], faster: int) -> None:
    """Write a configuration with a job for each address."""
    (folder / "rules.yml").write_text(yaml.safe_dump(alert_rules.faster(faster)))
    configuration = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules.yml"],
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": [address]}]} for job, address in addresses.items()
        ],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))


def fired(prometheus: Prometheus) -> dict[str, set[str]]:
    """Return the alerts that have ever fired for each job, each at most once for its only instance."""
    found: dict[str, set[str]] = defaultdict(set)
    for sample in prometheus.query('count by (job, alertname) (count_over_time(ALERTS{alertstate="firing"}[10m]))'):
        assert sample.value == 1, f"{sample.labels} is more than one page"
        found[sample.labels["job"]].add(sample.labels["alertname"])
    return found
