"""Errors of the telemetry, told apart from exceptions of the program that interrupt it.

A signal handler runs between two instructions of the main thread, which may be in our code; if the handler raises, the
exception comes out there. The same holds for an exception that one thread raises in another, and for tracing functions.
All of these are meant for the program and must reach it. Every other exception of our code must not.
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
    """Count an internal error below the core, which cannot call the core. False if the program raised it."""
    if is_interruption(error):
        return False
    _internal_errors.add()
    return True


def count_internal_error() -> None:
    """Count an internal error that raised nothing."""
    _internal_errors.add()


def internal_errors_below_the_core() -> int:
    """Number of internal errors below the core."""
    return _internal_errors.value


on_reset(_internal_errors.reset)


def is_interruption(error: BaseException) -> bool:
    """True if the program raised this while it interrupted our code, so that the error must reach the program."""
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
    """True if a function was passed the frame of its caller, as signal handlers and tracing functions are."""
    code = frame.f_code
    count = code.co_argcount + code.co_kwonlyargcount + bool(code.co_flags & _TAKES_ANY_NUMBER)
    # Up to 3.12 the frame keeps this dictionary. One of our frames holds the error, and would keep itself alive with
    # it.
    values = frame.f_locals
    for name in code.co_varnames[:count]:
        value = values.get(name)
        if value is interrupted or (type(value) is tuple and any(each is interrupted for each in value)):
            return True
    return False


def _is_of_a_handler(frame: FrameType) -> bool:
    """True if it runs the code of a signal handler in force, whatever that did with its arguments."""
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
    """True if an instruction can raise such an error by itself. None of ours waits, as one with TimeoutError does."""
    return type(error).__module__ == "builtins" and not isinstance(error, OSError)
