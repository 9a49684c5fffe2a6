"""Access to docker-compose.yml and the files that it mounts."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent.parent
DASHBOARDS = ROOT / "dashboards"
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def mounts(service: dict[str, Any]) -> Iterator[tuple[Path, Path]]:
    """Return the folders of the repository that a container mounts, with their paths there."""
    for volume in service.get("volumes", []):
        source, target, *_ = volume.split(":")
        if source.startswith("."):
            yield ROOT / source, Path(target)


def environment(name: str) -> dict[str, str]:
    given: dict[str, str] = SERVICES[name].get("environment", {})
    return given


def command(name: str) -> list[str]:
    given = SERVICES[name]["command"]
    return shlex.split(given) if isinstance(given, str) else given


def configuration(name: str) -> Any:
    return yaml.safe_load((DASHBOARDS / name).read_text())
