"""docker-compose.yml and the files that it mounts, as tests read them."""

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
    """The folders of the repository in a container, and where they are there."""
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
