"""A signal handler that raises while a test waits."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import pytest


class Interruption(Exception):
    pass


@contextmanager
def interrupted_when(it_waits: Callable[[], object]) -> Iterator[None]:
    """Interrupt the wait inside with an exception as soon as `it_waits` is true, or fail the test."""

    def interrupt(signum: int, frame: FrameType | None) -> None:
        raise Interruption

    def send() -> None:
        deadline = time.monotonic() + 60
        while not it_waits() and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(0.01)  # From where it says so, it is not far to the wait.
        os.kill(os.getpid(), signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, interrupt)
    interruption = threading.Thread(target=send)
    interruption.start()
    try:
        with pytest.raises(Interruption):
            yield
    finally:
        interruption.join()
        signal.signal(signal.SIGUSR1, before)


def interrupted_by(exception: type[BaseException]) -> None:
    """Raise the exception of a signal handler right here."""

    def interrupt(signum: int, frame: FrameType | None) -> None:
        raise exception

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        signal.raise_signal(signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, before)
