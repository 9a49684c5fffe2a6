"""Keeps instrumentations from tracing what an exporter does, such as the requests that it sends."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from opentelemetry import context

# Under both names instrumentations look: the API's own key, and the plain one of those from before there was a key.
_KEYS: Final = (context._SUPPRESS_INSTRUMENTATION_KEY, "suppress_instrumentation")

_OURS: Final = context.create_key("thread-telemetry")


@contextmanager
def suppressed() -> Iterator[None]:
    """In this context nothing is traced, and no span is current."""
    current = context.Context()
    for key in (*_KEYS, _OURS):
        current = context.set_value(key, True, current)
    token = context.attach(current)
    try:
        yield
    finally:
        context.detach(token)


class _NotOurs(logging.Filter):
    """Passes only what is logged outside of `suppressed`: what the program's own exporters say is logged as ever."""

    latest: str | None = None
    """The last message that did not pass."""

    def filter(self, record: logging.LogRecord) -> bool:
        if not context.get_value(_OURS):
            return True
        if record.levelno >= logging.WARNING:
            self.latest = record.getMessage()
        return False

    def listen_to(self, *loggers: str) -> None:
        """Filter what these loggers and those of the HTTP library log."""
        for name in (*loggers, "urllib3.connectionpool"):
            logging.getLogger(name).addFilter(self)


not_ours: Final = _NotOurs()
