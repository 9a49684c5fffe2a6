"""Frames of this thread and of others."""

from __future__ import annotations

import gc
import sys
from _thread import get_ident
from collections.abc import Iterator
from operator import call
from types import FrameType
from typing import Any, Final

from .._base.code_origin import OWN_FOLDER

MAX_STEPS: Final = 500
"""Limit of a walk up a stack, in search of the program. A recursion inside a library may be far deeper."""

if sys.version_info >= (3, 12):
    _frames = sys._current_frames

else:

    def _frames() -> dict[int, FrameType]:
        """The frames of all threads, read while the collector is off.

        The interpreter makes objects here while it holds a lock of its own. That can start the collector, and with it
        finalizers which want the same lock: the process would stand still. Later interpreters collect between
        instructions.
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


def frames_from(frame: FrameType | None) -> Iterator[FrameType]:
    """A frame and its callers, `MAX_STEPS` of them at most."""
    for _ in range(MAX_STEPS):
        if frame is None:
            return
        yield frame
        frame = frame.f_back


def first_argument(frame: FrameType, /) -> object:
    """First argument of the call that a frame runs, which is `self` in a method; None if the code takes none.

    Up to 3.12 the interpreter keeps a copy of the local variables with the frame that was asked for them.
    """
    if not isinstance(frame, FrameType):
        raise TypeError(f"expected a frame, got {type(frame).__name__}")
    code = frame.f_code
    return frame.f_locals.get(code.co_varnames[0]) if code.co_argcount else None
