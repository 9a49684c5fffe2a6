"""The files in dashboards/ and docker-compose.yml, as the programs that they are for check them."""

from __future__ import annotations

import subprocess

import pytest
from compose_file import DASHBOARDS, ROOT
from prometheus_server import check_with_promtool
from required_tools import tool

pytestmark = pytest.mark.prometheus


def test_docker_compose_takes_the_file() -> None:
    command = [tool("docker-compose", "docker-compose"), "--file", str(ROOT / "docker-compose.yml"), "config", "--quiet"]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "", "")


def test_promtool_finds_the_configuration_and_all_that_it_names_right() -> None:
    said = check_with_promtool("config", str(DASHBOARDS / "prometheus" / "prometheus.yml"))
    for file in (DASHBOARDS / "rules").glob("*.yml"):
        assert file.name in said


def test_promtool_finds_the_rules_right() -> None:
    files = list(map(str, (DASHBOARDS / "rules").glob("*.yml")))
    assert files
    said = check_with_promtool("rules", "--lint=all", "--lint-fatal", *files)
    assert said.count("SUCCESS") == len(files)
