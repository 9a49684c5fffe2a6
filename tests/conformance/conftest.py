"""Judgement of the published suites."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    """As the interpreter's own runner judges: a test that leaves a thread or a process behind has failed."""
    support: Any = sys.modules.get("test.support")
    if support is not None:
        support.environment_altered = False
    yield
    assert support is None or not support.environment_altered, "the test left threads or processes behind"
