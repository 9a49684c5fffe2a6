"""Paths of source files as a person recognises them: as short as they can be without being mistaken."""

from __future__ import annotations

import os
import sys

from thread.telemetry import Site

from ._units import printable


class Paths:
    """Shortens paths by the folder they are in: the working directory, or an entry of `sys.path`."""

    def __init__(self) -> None:
        folders = {os.path.join(os.path.abspath(folder), "") for folder in sys.path if isinstance(folder, str)}
        try:
            folders.add(os.path.join(os.getcwd(), ""))
        except OSError:
            pass
        self._folders = sorted(folders - {os.sep}, key=len, reverse=True)

    def shortened(self, path: str) -> str:
        """The path from the innermost of these folders on, or the path itself."""
        for folder in self._folders:
            if path.startswith(folder):
                return path[len(folder) :]
        return path

    def site(self, site: Site) -> str:
        """Where in the code, as `str(Site)` has it."""
        if not site.file:
            return printable(site.function)
        return f"{printable(site.function)} ({printable(self.shortened(site.file))}:{site.line})"
