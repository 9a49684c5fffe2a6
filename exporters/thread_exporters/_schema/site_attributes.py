"""A place in the code, as attributes of spans and log records."""

from __future__ import annotations

from thread.telemetry import Site


def site_attributes(prefix: str, site: Site) -> dict[str, str | int]:
    """Function, file and line; with the prefix `code` as the semantic conventions name them."""
    return {
        f"{prefix}.function.name": site.function,
        f"{prefix}.file.path": site.file,
        f"{prefix}.line.number": site.line,
    }
