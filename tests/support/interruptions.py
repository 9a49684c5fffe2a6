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
    """Interrupt the wait inside with an exception, or fail the test."""

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
    """Raise the exception of a signal handler right here."""

    def interrupt(signum: int, frame: FrameType | None) -> None:
        raise exception

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        signal.raise_signal(signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, before)
