"""The rules pass promtool's unit tests: each alert fires on its fault, not on less, and ends."""

from __future__ import annotations

from pathlib import Path

import alert_rules
import pytest
import yaml
from prometheus_server import promtool

pytestmark = pytest.mark.prometheus


@pytest.mark.parametrize("file", alert_rules.UNIT_TESTS, ids=lambda file: file.stem)
def test_the_rules_pass_their_unit_tests(file: Path) -> None:
    tested = promtool("test", "rules", str(file))
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_the_rules_are_right_when_time_is_divided(tmp_path: Path) -> None:
    faster = tmp_path / "faster.yml"
    faster.write_text(yaml.safe_dump(alert_rules.faster(60)))
    checked = promtool("check", "rules", str(faster))
    assert checked.returncode == 0, checked.stdout + checked.stderr
