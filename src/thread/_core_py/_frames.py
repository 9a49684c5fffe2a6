"""What other threads are at."""

from __future__ import annotations

import gc
import sys
from operator import call
from types import FrameType

if sys.version_info >= (3, 12):

    def frame_of(ident: int) -> FrameType | None:
        """The innermost frame of a thread, None if it has none."""
        return sys._current_frames().get(ident)

else:

    def frame_of(ident: int) -> FrameType | None:
        """The innermost frame of a thread, None if it has none.

        The interpreter makes objects here while it has a lock of its own. That can start the collector, and with it
        finalizers which want the same lock: the process would stand still. Later ones collect between instructions.
        """
        # Three steps in one instruction, between which no other thread or signal handler runs.
        was_on, _, frames = map(call, (gc.isenabled, gc.disable, sys._current_frames))
        if was_on:
            gc.enable()
        found: FrameType | None = frames.get(ident)
        return found
