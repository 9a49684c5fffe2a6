"""The versions of this package and of Python."""

from __future__ import annotations

import sys

VERSION = "0.1.0"
"""The version in pyproject.toml. Asking the distribution for it would be an import in the middle of a snapshot."""

_LEVELS = {"alpha": "a", "beta": "b", "candidate": "rc"}


def python_version() -> str:
    """Python's version: `3.13.1`, or `3.15.0a2` if it is not final."""
    major, minor, micro, level, serial = sys.version_info
    return f"{major}.{minor}.{micro}" + (f"{_LEVELS[level]}{serial}" if level in _LEVELS else "")
