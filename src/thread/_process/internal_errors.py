"""Internal errors of the telemetry: each is counted, the first of each part is logged."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from .._backend import core
from .flags import Flag
from .log import logger
from .own_threads import start_own_thread


class InternalErrorLog:
    """Internal errors of one part of the telemetry, such as an exporter."""

    __slots__ = ("_logged", "_written")

    def __init__(self) -> None:
        self._logged = False
        self._written: Flag | None = None

    def report(self, message: str, error: BaseException | None = None) -> None:
        """Count an internal error; log it to `thread.telemetry` if it is the first. Never raises, never waits."""
        core.count_internal_error()
        if not self._logged:
            self._logged = True
            try:
                self._write_in_a_thread(message, error)
            except MemoryError:
                core.count_internal_error()

    def _write_in_a_thread(self, message: str, error: BaseException | None) -> None:
        written = Flag()

        def write() -> None:
            _write(message, error, written)

        try:
            start_own_thread(write)
        except RuntimeError:
            _unwritten.append(write)
        self._written = written

    def wait_until_written(self, timeout: float) -> None:
        """Wait for the log before the process ends."""
        if self._written is not None:
            self._written.wait(timeout)


_unwritten: deque[Callable[[], None]] = deque()


def write_the_rest() -> None:
    """Log the rest if no thread could be started. From 3.12 on, none can start while the process exits."""
    while _unwritten:
        _unwritten.popleft()()


def _write(message: str, error: BaseException | None, written: Flag) -> None:
    """Write to the log, in a thread of ours: the program's log handlers may wait for a lock or for what hangs."""
    try:
        logger().error("%s", message, exc_info=error)
    finally:
        written.set()
