"""Keeps instrumentations from tracing what an exporter does, such as the requests that it sends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from opentelemetry import context

# Under both names instrumentations look: the API's own key, and the plain one of those from before there was a key.
_KEYS: Final = (context._SUPPRESS_INSTRUMENTATION_KEY, "suppress_instrumentation")


@contextmanager
def suppressed() -> Iterator[None]:
    """In this context nothing is traced, and no span is current."""
    current = context.Context()
    for key in _KEYS:
        current = context.set_value(key, True, current)
    token = context.attach(current)
    try:
        yield
    finally:
        context.detach(token)
