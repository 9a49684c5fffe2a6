"""Hooks that tell PyInstaller which of our modules an application needs. The entry point is `pyinstaller40`."""

from __future__ import annotations

import os


def get_hook_dirs() -> list[str]:
    """Return the folders that hold the hooks."""
    return [os.path.dirname(__file__)]
