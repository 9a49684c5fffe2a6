"""The OpenTelemetry instrumentation scope of this package."""

from __future__ import annotations

from importlib.metadata import version
from typing import Final

NAME: Final = "thread_exporters"

VERSION: Final = version("thread-telemetry")

SCHEMA_URL: Final = "https://opentelemetry.io/schemas/1.44.0"
"""Version of the semantic conventions we follow, in which names such as `code.function.name` are stable."""
