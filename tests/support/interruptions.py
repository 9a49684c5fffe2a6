"""A signal handler that raises while a test waits."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import pytest


class Interruption(Exception):
    pass


@contextmanager
def interrupted_soon() -> Iterator[None]:
    """The wait inside is interrupted by an exception, or the test fails."""

    def interrupt(signum: int, frame: FrameType | None) -> None:
        raise Interruption

    before = signal.signal(signal.SIGUSR1, interrupt)
    interruption = threading.Timer(0.05, os.kill, args=(os.getpid(), signal.SIGUSR1))
    interruption.start()
    try:
        with pytest.raises(Interruption):
            yield
    finally:
        signal.signal(signal.SIGUSR1, before)
        interruption.join()


def interrupted_by(exception: type[BaseException]) -> None:
    """Raise what a signal handler raises right here."""

    def interrupt(signum: int, frame: FrameType | None) -> None:
        raise exception

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        signal.raise_signal(signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, before)
