"""The logger `thread.telemetry`, whose records cost a program at most one line each.

If a handler fails, for example because the program closed its stream before exit, `logging` prints a traceback of
twenty lines for each record. Our records print one line instead.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from .._base.stderr import say

if TYPE_CHECKING:
    from logging import Handler, Logger, LogRecord

NAME: Final = "thread.telemetry"


def logger() -> Logger:
    """The logger. Imports `logging`, which the program should do first if it can."""
    import logging

    guard()
    return logging.getLogger(NAME)


def guard() -> None:
    """Make sure that every record of this logger is handled in this way, whoever makes it."""
    logging: Any = sys.modules.get("logging")
    if logging is not None:
        ours = logging.getLogger(NAME)
        if "callHandlers" not in vars(ours):
            ours.callHandlers = _CallHandlers(ours)


class _CallHandlers:
    """Replacement for `callHandlers` of our logger: keeps handlers from printing that they failed."""

    def __init__(self, logger: Logger) -> None:
        self._logger = logger

    def __call__(self, record: LogRecord) -> None:
        for each in _handlers_of(self._logger):
            # It stays there, since another thread may still be handling a record of ours.
            if "handleError" not in vars(each):
                vars(each)["handleError"] = _HandleError(each)
        type(self._logger).callHandlers(self._logger, record)


class _HandleError:
    """Replacement for `handleError` of a handler that has handled a record of ours."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler

    def __call__(self, record: LogRecord) -> None:
        if record.name != NAME:
            type(self._handler).handleError(self._handler, record)
        elif "is_said" not in vars(record):
            vars(record)["is_said"] = True
            say(record.getMessage())


def _handlers_of(logger: Logger | None) -> list[Handler]:
    import logging

    handlers: list[Handler] = []
    while logger is not None:
        handlers.extend(logger.handlers)
        logger = logger.parent if logger.propagate else None
    if not handlers and logging.lastResort is not None:
        handlers.append(logging.lastResort)
    return [each for each in handlers if hasattr(each, "__dict__")]
