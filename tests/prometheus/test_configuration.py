"""The files in dashboards/ and docker-compose.yml pass the checks of the programs that read them."""

from __future__ import annotations

import subprocess

import pytest
from compose_file import DASHBOARDS, ROOT
from prometheus_server import promtool
from required_tools import tool

pytestmark = pytest.mark.prometheus

RULES = sorted((DASHBOARDS / "rules").glob("*.yml"))


def test_docker_compose_takes_the_file() -> None:
    command = [
        tool("docker-compose", "docker-compose"),
        "--file",
        str(ROOT / "docker-compose.yml"),
        "config",
        "--quiet",
    ]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "", "")


def test_promtool_finds_the_configuration_and_all_that_it_names_right() -> None:
    checked = promtool("check", "config", str(DASHBOARDS / "prometheus" / "prometheus.yml"))
    assert checked.returncode == 0, checked
    assert RULES
    for file in RULES:
        assert f"Checking {file.parent}" in checked.stdout.replace("/prometheus/../", "/")


def test_promtool_finds_the_rules_right() -> None:
    checked = promtool("check", "rules", "--lint=all", "--lint-fatal", *map(str, RULES))
    assert (checked.returncode, checked.stderr) == (0, "")
    assert checked.stdout.count("SUCCESS") == len(RULES) > 0
