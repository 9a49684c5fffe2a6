"""Locks of our own C core, of which `type()` says that they are the interpreter's: `src/thread/_c/mutex.h`."""

from __future__ import annotations

from typing import Final

MUTEX_SIZE: Final = 64
"""A lock of another size is of another version of ours, and is not read."""
MUTEX_WORD: Final = 32
"""Ident of its owner; a number up to `LAST_SPECIAL` if it has none."""
MUTEX_QUEUE: Final = 40
"""List of those that wait, 0 if nobody does."""
LAST_SPECIAL: Final = 2
WAITER_WORDS: Final = 64
"""Words at the beginning of a waiter, one of which is the address of the semaphore that it sleeps on."""
MOST_WAITERS: Final = 100_000
