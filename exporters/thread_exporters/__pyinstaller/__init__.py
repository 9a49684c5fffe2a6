"""Tells PyInstaller what an application needs of us: found by the entry point `pyinstaller40`."""

from __future__ import annotations

import os


def get_hook_dirs() -> list[str]:
    """The folders of the hooks."""
    return [os.path.dirname(__file__)]
