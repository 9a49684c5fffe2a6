"""Start a thread of the interpreter's own, out of the way of the program's signals and stack sizes."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
from _thread import stack_size, start_new_thread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

# What the processor raises in a thread has to reach that thread, or a crash would end in silence.
_SYNCHRONOUS_SIGNALS: Final = ("SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV", "SIGSYS", "SIGTRAP")

_KEPT: Final = frozenset([getattr(_signal, name, 0) for name in _SYNCHRONOUS_SIGNALS])
# From `_signal`, since `signal` makes an enumeration of each, which takes a hundred times as long.
_BLOCKED: Final = tuple(_signal.valid_signals() - _KEPT) if hasattr(_signal, "pthread_sigmask") else ()


def start_raw_thread(run: Callable[[], object]) -> None:
    """Call `run` in a new thread. Raises RuntimeError or MemoryError if none can be started."""
    # The stacks that a program finds large enough for its own threads may be too small for an exporter.
    chosen_by_program = stack_size(0)
    try:
        _start_without_signals(run)
    finally:
        stack_size(chosen_by_program)


def _start_without_signals(run: Callable[[], object]) -> None:
    """Start a thread in which what can be blocked is blocked, as it inherits it.

    A program that blocks a signal in its own threads, to wait for it with `sigwait`, would die of it if it could be
    delivered to a thread that the program knows nothing of.
    """
    if not _BLOCKED:
        start_new_thread(run, ())
        return
    # Asked first, since a handler that runs when they are blocked may raise.
    before = _signal.pthread_sigmask(_signal.SIG_BLOCK, ())
    try:
        _signal.pthread_sigmask(_signal.SIG_BLOCK, _BLOCKED)
        start_new_thread(run, ())
    finally:
        _signal.pthread_sigmask(_signal.SIG_SETMASK, before)
