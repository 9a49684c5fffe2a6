"""This repository's configuration, adapted for a Prometheus outside docker-compose.yml."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import alert_rules
import yaml
from compose_file import DASHBOARDS

FASTER = 60
"""Time factor: a minute in the rules is a second in a test."""


def prometheus_folder(folder: Path, targets: list[str]) -> Path:
    """The same prometheus.yml for other targets, which it scrapes every second, and the rules with their time divided.

    Returns the folder that prometheus.yml is in. The targets are the job `shop`.
    """
    shutil.copytree(DASHBOARDS / "prometheus", folder / "prometheus")
    configuration = folder / "prometheus" / "prometheus.yml"
    shortened, count = re.subn(r"(_interval|_timeout): \w+", r"\1: 1s", configuration.read_text())
    assert count == 3
    configuration.write_text(shortened)
    (folder / "prometheus" / "targets.yml").write_text(
        yaml.safe_dump([{"targets": targets, "labels": {"job": "shop"}}])
    )
    (folder / "rules").mkdir()
    (folder / "rules" / "faster.yml").write_text(yaml.safe_dump(alert_rules.faster(FASTER)))
    return configuration.parent
