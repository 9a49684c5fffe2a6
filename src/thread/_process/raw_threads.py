"""Start a thread of the interpreter's own, apart from the program's signals and stack sizes."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
from _thread import stack_size, start_new_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

# Signals that the processor raises have to reach the thread that caused them, or a crash would end in silence.
_SYNCHRONOUS_SIGNALS: Final = ("SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV", "SIGSYS", "SIGTRAP")

_KEPT: Final = frozenset([getattr(_signal, name, 0) for name in _SYNCHRONOUS_SIGNALS])
# From `_signal`, since `signal` makes an enumeration of each, which takes a hundred times as long.
_BLOCKED: Final = tuple(_signal.valid_signals() - _KEPT) if hasattr(_signal, "pthread_sigmask") else ()


def start_raw_thread(run: Callable[[], object]) -> None:
    """Call `run` in a new thread. Raises RuntimeError or MemoryError if none can be started."""
    # A stack size that suits the program's own threads may be too small for an exporter.
    chosen_by_program = stack_size(0)
    try:
        _start_without_signals(run)
    finally:
        stack_size(chosen_by_program)


def _start_without_signals(run: Callable[[], object]) -> None:
    """Start a thread that inherits a mask of all signals that can be blocked.

    A program may block a signal in its own threads and wait for it with `sigwait`. It would die of the signal if the
    kernel could deliver it to a thread that the program does not know.
    """
    if not _BLOCKED:
        start_new_thread(run, ())
        return
    # Read the mask first, since a handler that runs during the blocking call may raise.
    before = _signal.pthread_sigmask(_signal.SIG_BLOCK, ())
    try:
        _signal.pthread_sigmask(_signal.SIG_BLOCK, _BLOCKED)
        start_new_thread(run, ())
    finally:
        _signal.pthread_sigmask(_signal.SIG_SETMASK, before)
