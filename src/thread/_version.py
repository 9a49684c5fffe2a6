"""The version of this package, as it was installed."""

from __future__ import annotations


def version() -> str:
    """The version of the distribution; `unknown` where its metadata is missing, as in a frozen application."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as version_of

    try:
        return version_of("thread-telemetry")
    except PackageNotFoundError:
        return "unknown"
