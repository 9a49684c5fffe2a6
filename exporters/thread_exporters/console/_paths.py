"""Paths of source files, shortened but still easy to recognise."""

from __future__ import annotations

import os
import sys

from thread.telemetry import Site

from ._units import printable


class Paths:
    """A shortener of paths in the working directory or in an entry of `sys.path`."""

    def __init__(self) -> None:
        folders = {os.path.join(os.path.abspath(folder), "") for folder in sys.path if isinstance(folder, str)}
        try:
            folders.add(os.path.join(os.getcwd(), ""))
        except OSError:
            pass
        self._folders = sorted(folders - {os.sep}, key=len, reverse=True)

    def shortened(self, path: str) -> str:
        """Return the path relative to the innermost of these folders, or unchanged."""
        for folder in self._folders:
            if path.startswith(folder):
                return path[len(folder) :]
        return path

    def site(self, site: Site) -> str:
        """Format a place in the code like `str(Site)`, with a shortened path."""
        if not site.file:
            return printable(site.function)
        return f"{printable(site.function)} ({printable(self.shortened(site.file))}:{site.line})"
