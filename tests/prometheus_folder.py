"""The configuration of this repository for another Prometheus than that of docker-compose.yml."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import yaml
from compose_file import DASHBOARDS


def prometheus_folder(folder: Path, targets: list[str], job: str = "shop") -> Path:
    """The same prometheus.yml and rules in a folder of their own, for other targets, and each interval one second.

    Returns the folder that prometheus.yml is in.
    """
    for name in ("prometheus", "rules"):
        shutil.copytree(DASHBOARDS / name, folder / name)
    configuration = folder / "prometheus" / "prometheus.yml"
    shortened, count = re.subn(r"(_interval|_timeout): \w+", r"\1: 1s", configuration.read_text())
    assert count == 3
    configuration.write_text(shortened)
    (configuration.parent / "targets.yml").write_text(yaml.safe_dump([{"targets": targets, "labels": {"job": job}}]))
    return configuration.parent
