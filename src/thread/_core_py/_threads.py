"""Starting threads."""

from __future__ import annotations

import _thread
from collections.abc import Callable
from typing import Any, TypeVarTuple, overload

from .._inspection.objects import MISSING
from ._builtin import BuiltinFunction
from ._runtime import checked_name, enter_untracked, leave_untracked
from ._sites import serves_telemetry
from ._thread_records import ThreadRecord

_raw_start_new_thread = _thread.start_new_thread
_raw_start_joinable_thread: Any = getattr(_thread, "start_joinable_thread", None)

_passing_on = _thread._local()


def observed_run(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], name: object, /) -> Callable[[], None]:
    """A callable that runs a function as an observed thread, to be started by another library with `pass_on`."""
    if serves_telemetry():
        return lambda: _run_untracked(function, args, kwargs)
    return ThreadRecord(function, args, kwargs, checked_name(name, "thread")).run


def pass_on(start: Any, run: Any, args: tuple[Any, ...], kwargs: dict[str, Any], /) -> Any:
    """Call `start`, which may start threads here again: they run as they are, without another record."""
    outer = getattr(_passing_on, "depth", 0)
    _passing_on.depth = outer + 1
    try:
        return start(run, *args, **kwargs)
    finally:
        _passing_on.depth = outer


def _is_passed_on() -> bool:
    return getattr(_passing_on, "depth", 0) > 0


def _run_untracked(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    enter_untracked()
    try:
        function(*args, **kwargs)
    finally:
        leave_untracked()


def _started(start: Callable[..., Any], thread: ThreadRecord, *rest: object) -> Any:
    arguments = [(argument,) for argument in (thread.run, *rest)]
    try:
        # A step of an iterator, since a signal handler may raise right after a call, and the thread is there then.
        for started in map(start, *arguments):
            return started
    except RuntimeError:
        thread.abandon()
        raise


_Ts = TypeVarTuple("_Ts")


class _StartNewThread(BuiltinFunction):
    """Start a new thread that calls a function with a tuple of arguments, and return the thread's identifier.

    The arguments are the function, the tuple, and optionally a dictionary of keyword arguments. With `name`, the
    thread counts under that name instead of the function's own. Raises TypeError for arguments that do not fit,
    RuntimeError if no thread can be started; nothing is counted then.
    """

    __slots__ = ()

    @overload
    def __call__(self, function: Callable[[*_Ts], object], args: tuple[*_Ts], /, *, name: str | None = None) -> int: ...

    @overload
    def __call__(
        self,
        function: Callable[..., object],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        /,
        *,
        name: str | None = None,
    ) -> int: ...

    def __call__(self, *arguments: Any, name: str | None = None) -> int:
        if len(arguments) not in (2, 3):
            bound = "at least 2" if len(arguments) < 2 else "at most 3"
            raise TypeError(f"start_new_thread expected {bound} arguments, got {len(arguments)}")
        function, args, kwargs = arguments if len(arguments) == 3 else (*arguments, {})
        if not callable(function):
            raise TypeError("first arg must be callable")
        if not isinstance(args, tuple):
            raise TypeError("2nd arg must be a tuple")
        if not isinstance(kwargs, dict):
            raise TypeError("optional 3rd arg must be a dictionary")
        if _is_passed_on():
            return _raw_start_new_thread(function, args, kwargs)
        if serves_telemetry():
            return _raw_start_new_thread(_run_untracked, (function, args, kwargs))
        thread = ThreadRecord(function, args, kwargs, checked_name(name, "thread"))
        ident: int = _started(_raw_start_new_thread, thread, ())
        return ident


start_new_thread: _StartNewThread = _StartNewThread("start_new_thread")


class _StartJoinableThread(BuiltinFunction):
    """Start a new thread that calls `function`, and return a handle with which it can be joined."""

    __slots__ = ()

    def __call__(
        self, function: Any = MISSING, handle: Any = None, daemon: Any = True, *, name: str | None = None
    ) -> Any:
        if function is MISSING:
            raise TypeError("start_joinable_thread() missing required argument 'function' (pos 1)")
        if not callable(function):
            raise TypeError("thread function must be callable")
        start = _raw_start_joinable_thread
        if _is_passed_on():
            return start(function, handle=handle, daemon=daemon)
        if serves_telemetry():
            return start(lambda: _run_untracked(function, (), {}), handle=handle, daemon=daemon)
        return _started(start, ThreadRecord(function, (), {}, checked_name(name, "thread")), handle, daemon)


start_joinable_thread: _StartJoinableThread = _StartJoinableThread("start_joinable_thread")

__all__ = ["observed_run", "pass_on", "start_joinable_thread", "start_new_thread"]
