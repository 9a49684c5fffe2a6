"""Programs from outside the virtual environment. Tests that need a missing one are skipped or fail."""

from __future__ import annotations

import os
import shutil

import pytest

_REQUIRED = os.environ.get("THREAD_TELEMETRY_REQUIRE_PROMETHEUS", "") not in ("", "0")


def tool(name: str, package: str) -> str:
    """Return the path of a program, from the Debian package of that name.

    Without it the test is skipped, and fails under `THREAD_TELEMETRY_REQUIRE_PROMETHEUS=1`.
    """
    found = shutil.which(name)
    if found is not None:
        return found
    missing = f"{name} is not installed; on Debian and Ubuntu: apt install {package}"
    if _REQUIRED:
        pytest.fail(f"{missing}; THREAD_TELEMETRY_REQUIRE_PROMETHEUS=1 asks for it", pytrace=False)
    pytest.skip(missing)
