"""The log of the telemetry, `thread.telemetry`, whose records cost a program no more than a line.

Where a handler fails, as one does that writes to a stream which a program has closed by the time it exits, `logging`
prints a traceback of twenty lines for each record. For records of ours one line takes its place.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from .._base.stderr import say

if TYPE_CHECKING:
    from logging import Handler, Logger, LogRecord

NAME: Final = "thread.telemetry"


def logger() -> Logger:
    """The logger of this name. Imports `logging`, which is for the program to do first if it can."""
    import logging

    guard()
    return logging.getLogger(NAME)


def guard() -> None:
    """See to it that records of this logger, whoever makes them, are handled in this manner."""
    logging: Any = sys.modules.get("logging")
    if logging is not None:
        ours = logging.getLogger(NAME)
        if "callHandlers" not in vars(ours):
            ours.callHandlers = _CallHandlers(ours)


class _CallHandlers:
    """In place of the method of our logger: has no handler print that it failed."""

    def __init__(self, logger: Logger) -> None:
        self._logger = logger

    def __call__(self, record: LogRecord) -> None:
        for each in _handlers_of(self._logger):
            # It stays there, since another thread may be handling a record of ours when this one is done.
            if "handleError" not in vars(each):
                vars(each)["handleError"] = _HandleError(each)
        type(self._logger).callHandlers(self._logger, record)


class _HandleError:
    """In place of the method of a handler that has handled a record of ours."""

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
