"""What happens when the telemetry itself fails: each fault is counted, the first of each kind is logged."""

from __future__ import annotations

from ._backend import core
from ._own_threads import Flag, start_own_thread


class FaultLog:
    """The faults of one part of the telemetry, an exporter for example."""

    __slots__ = ("_logged", "_written")

    def __init__(self) -> None:
        self._logged = False
        self._written: Flag | None = None

    def report(self, message: str, error: BaseException | None = None) -> None:
        """Count a fault; log it to `thread.telemetry` if it is the first. Never raises, never waits."""
        core.count_fault()
        if self._logged:
            return
        self._logged = True
        written = Flag()
        try:
            start_own_thread(lambda: _write(message, error, written))
        except RuntimeError:
            return
        self._written = written

    def wait_until_written(self, timeout: float) -> None:
        """Give the log a chance before the process ends."""
        if self._written is not None:
            self._written.wait(timeout)


def _write(message: str, error: BaseException | None, written: Flag) -> None:
    """Runs in a thread of its own, since the program's log handlers may wait for a lock, or for what is hung."""
    try:
        import logging

        logging.getLogger("thread.telemetry").error("%s", message, exc_info=error)
    finally:
        written.set()
