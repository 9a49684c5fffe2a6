"""Telling what a signal handler of the program raised from a fault of the telemetry.

A signal handler runs between two instructions of whatever code the main thread is at, that of the telemetry included,
and what it raises comes out there. The same holds for an exception that one thread has raised in another, and for a
function that traces. All of it was meant for the program and has to reach it; everything else that is raised in code
of the telemetry must not.
"""

from __future__ import annotations

import sys
from functools import partial
from itertools import islice, pairwise
from types import CodeType, FrameType, FunctionType, MethodType

from .atomic import Counter
from .code_origin import OWN_FOLDER
from .resets import on_reset

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Final

_MOST_FRAMES: Final = 200
_TAKES_ANY_NUMBER: Final = 0x04

_internal_errors: Final = Counter()


def is_internal_error(error: BaseException) -> bool:
    """Count a fault of what the core is made of, which cannot call the core; False for what the program raised."""
    if is_interruption(error):
        return False
    _internal_errors.add()
    return True


def count_internal_error() -> None:
    """Count a fault that raised nothing."""
    _internal_errors.add()


def internal_errors_below_the_core() -> int:
    """How many faults there were in what the core is made of."""
    return _internal_errors.value


on_reset(_internal_errors.reset)


def is_interruption(error: BaseException) -> bool:
    """Whether the program raised this while it interrupted code of the telemetry, so that it has to be let through."""
    if not isinstance(error, Exception):
        return True
    frames = list(islice(_frames_of(error), _MOST_FRAMES))
    for outer, inner in pairwise(frames):
        if not _is_ours(inner) and (_was_handed(inner, outer) or _is_of_a_handler(inner)):
            return True
    return bool(frames) and _is_ours(frames[-1]) and not _is_of_an_instruction(error)


def _frames_of(error: BaseException) -> Iterator[FrameType]:
    traceback = error.__traceback__
    while traceback is not None:
        yield traceback.tb_frame
        traceback = traceback.tb_next


def _is_ours(frame: FrameType) -> bool:
    return frame.f_code.co_filename.startswith(OWN_FOLDER)


def _was_handed(frame: FrameType, interrupted: FrameType) -> bool:
    """Whether a function was given the frame of its caller, as signal handlers and tracing functions are."""
    code = frame.f_code
    count = code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & _TAKES_ANY_NUMBER)
    # Up to 3.12 the frame keeps this dictionary. One of ours, which holds the error, would keep itself alive with it.
    values = frame.f_locals
    for name in code.co_varnames[:count]:
        value = values.get(name)
        if value is interrupted or (type(value) is tuple and any(each is interrupted for each in value)):
            return True
    return False


def _is_of_a_handler(frame: FrameType) -> bool:
    """Whether it runs the code of a handler that is set now, whatever that did with its arguments."""
    return any(code is frame.f_code for code in _codes_of_handlers())


def _codes_of_handlers() -> Iterator[CodeType]:
    signals = sys.modules.get("signal")
    for number in () if signals is None else signals.valid_signals():
        handler: Any = signals.getsignal(number)  # type: ignore[union-attr]
        while type(handler) is partial:
            handler = handler.func
        if type(handler) is MethodType:
            handler = handler.__func__
        if type(handler) is not FunctionType:
            handler = getattr(type(handler), "__call__", None)  # noqa: B004, the function is wanted
        if type(handler) is FunctionType:
            yield handler.__code__


def _is_of_an_instruction(error: BaseException) -> bool:
    """Whether an instruction raises such an error by itself; none of ours waits, as what says `TimeoutError` does."""
    return type(error).__module__ == "builtins" and not isinstance(error, OSError)
