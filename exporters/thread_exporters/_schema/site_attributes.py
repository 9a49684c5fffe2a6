"""Attributes of spans and log records for a place in the code."""

from __future__ import annotations

from thread.telemetry import Site


def site_attributes(prefix: str, site: Site) -> dict[str, str | int]:
    """Return function, file and line. With the prefix `code` they have the names of the semantic conventions."""
    return {
        f"{prefix}.function.name": site.function,
        f"{prefix}.file.path": site.file,
        f"{prefix}.line.number": site.line,
    }
