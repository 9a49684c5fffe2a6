"""What promtool says of the rules: each alert fires on its fault, not on less, and ends."""

from __future__ import annotations

import subprocess
from pathlib import Path

import alert_rules
import pytest
from prometheus_server import check_with_promtool
from required_tools import tool

pytestmark = pytest.mark.prometheus


@pytest.mark.parametrize("file", alert_rules.UNIT_TESTS, ids=lambda file: file.stem)
def test_the_rules_pass_their_unit_tests(file: Path) -> None:
    command = [tool("promtool", "prometheus"), "test", "rules", str(file)]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_the_rules_are_right_when_time_is_divided(tmp_path: Path) -> None:
    faster = tmp_path / "faster.yml"
    faster.write_text(alert_rules.yaml.safe_dump(alert_rules.faster(60)))
    check_with_promtool("rules", str(faster))
