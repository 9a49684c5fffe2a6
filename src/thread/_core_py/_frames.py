"""What other threads are at."""

from __future__ import annotations

import gc
import sys
from _thread import get_ident
from operator import call
from types import FrameType
from typing import Any

from .._base.code_origin import OWN_FOLDER

if sys.version_info >= (3, 12):
    _frames = sys._current_frames

else:

    def _frames() -> dict[int, FrameType]:
        """The interpreter makes objects here while it has a lock of its own. That can start the collector, and with it
        finalizers which want the same lock: the process would stand still. Later ones collect between instructions.
        """
        # Three steps in one instruction, between which no other thread or signal handler runs.
        steps: Any = map(call, (gc.isenabled, gc.disable, sys._current_frames))
        frames: dict[int, FrameType]
        was_on, _, frames = steps
        if was_on:
            gc.enable()
        return frames


def frame_of(ident: int) -> FrameType | None:
    """The innermost frame of a thread, None if it has none."""
    return frame_of_program() if ident == get_ident() else _frames().get(ident)


def frame_of_program() -> FrameType:
    """The innermost frame of this thread that is not ours: one of ours would keep itself alive, and all above it."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(OWN_FOLDER):
        frame = frame.f_back
    return frame


def first_argument(frame: FrameType, /) -> object:
    """What the code of a frame was called with first, as methods are with their object; None where it has none.

    Up to 3.12 the interpreter keeps a copy of the local variables with the frame that was asked for them.
    """
    if not isinstance(frame, FrameType):
        raise TypeError(f"expected a frame, got {type(frame).__name__}")
    code = frame.f_code
    return frame.f_locals.get(code.co_varnames[0]) if code.co_argcount else None
