"""Suppression of traces and logs about our own exports."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from opentelemetry import context

# Instrumentations look for either name: the API's key, or the plain one from before there was a key.
_KEYS: Final = (context._SUPPRESS_INSTRUMENTATION_KEY, "suppress_instrumentation")

_OURS: Final = context.create_key("thread-telemetry")


@contextmanager
def suppressed() -> Iterator[None]:
    """Run a block in a context without a current span, in which instrumentations trace nothing."""
    current = context.Context()
    for key in (*_KEYS, _OURS):
        current = context.set_value(key, True, current)
    token = context.attach(current)
    try:
        yield
    finally:
        context.detach(token)


class _NotOurs(logging.Filter):
    """A filter that stops records logged inside `suppressed`. Those of the program's own exporters still pass."""

    latest: str | None = None
    """Last message that was stopped."""

    def filter(self, record: logging.LogRecord) -> bool:
        if not context.get_value(_OURS):
            return True
        if record.levelno >= logging.WARNING:
            self.latest = record.getMessage()
        return False

    def listen_to(self, *loggers: str) -> None:
        """Filter the records of these loggers and of the HTTP library."""
        for name in (*loggers, "urllib3.connectionpool"):
            logging.getLogger(name).addFilter(self)


not_ours: Final = _NotOurs()
