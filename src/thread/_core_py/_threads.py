"""Starting threads, and what is recorded of each from the request to its end."""

from __future__ import annotations

import _thread
import sys
import time
from _thread import get_ident, get_native_id
from collections.abc import Callable
from typing import Any, Final, TypeVarTuple, overload

from .._base.atomic import Counter
from .._base.buckets import bucket_index
from .._inspection import unhandled
from .._inspection.targets import describe_target
from .._rows import LiveThreadRow, TargetRow, ThreadFinishedRow
from ._builtin import BuiltinFunction
from ._events import push_event
from ._histogram import HistogramCounts
from ._runtime import (
    Settings,
    accumulator,
    checked_name,
    enter_untracked,
    guarded,
    leave_untracked,
    monotonic_ns,
    note_cap,
    on_reset,
    settle,
)
from ._sites import serves_telemetry, site_charged
from ._spans import ThreadTrace, current_span

MAX_TARGETS: Final = 1000

_raw_start_new_thread = _thread.start_new_thread
_raw_start_joinable_thread: Any = getattr(_thread, "start_joinable_thread", None)


class Target:
    """All threads of one target function."""

    __slots__ = ("cpu_time_ns", "finished", "lifetime", "name", "start_delay", "started")

    def __init__(self, name: str) -> None:
        self.name = name
        self.started = Counter()
        self.zero()

    def zero(self) -> None:
        """Forget everything that was counted."""
        self.started.reset()
        self.finished = 0
        self.start_delay = HistogramCounts()
        self.lifetime = HistogramCounts()
        self.cpu_time_ns = 0

    def read(self) -> TargetRow:
        """The row of this target."""
        return TargetRow(
            target=self.name,
            started=self.started.value,
            finished=self.finished,
            start_delay=self.start_delay.read(),
            lifetime=self.lifetime.read(),
            cpu_time_ns=self.cpu_time_ns,
        )


_targets: dict[str, Target] = {}


def _target_named(name: str) -> Target:
    """The target of that name, `other` if there are too many."""
    target = _targets.get(name)
    if target is None:
        if len(_targets) >= MAX_TARGETS:
            note_cap()
            name = "other"
        target = _targets.setdefault(name, Target(name))
    return target


def _fold(finished: tuple[Target, int, int, int]) -> None:
    target, start_delay, lifetime, cpu_time = finished
    delay_bucket, lifetime_bucket = bucket_index(start_delay), bucket_index(lifetime)
    target.start_delay.put(start_delay, delay_bucket)
    target.lifetime.put(lifetime, lifetime_bucket)
    target.finished += 1
    target.cpu_time_ns += cpu_time


_finished = accumulator(_fold)


class ThreadRecord:
    """One thread, from the request to its end."""

    __slots__ = (
        "function",
        "ident",
        "invocation",
        "native_id",
        "outcome",
        "requested",
        "started",
        "starter",
        "target",
        "trace",
    )

    def __init__(self, function: Any, invocation: tuple[Any, ...], kwargs: dict[str, Any], name: str | None) -> None:
        self.function: Any = function
        self.invocation: Any = (invocation, kwargs)
        self.target: Target | None = None
        """None: nothing is recorded of it."""
        self.ident = self.native_id = self.started = self.requested = 0
        self.outcome = "returned"
        guarded(self._request, function, name)
        if self.target is not None:
            guarded(unhandled.watch_excepthook, function, self._record_exception, self.target.name)

    def _request(self, function: Any, name: str | None) -> None:
        """Begin the record. Where that fails, nothing is recorded."""
        target = _target_named(name or describe_target(function))
        self.starter = site_charged(sys._getframe(2))
        self.trace = ThreadTrace(function)
        self.requested = monotonic_ns()
        self.target = target

    def abandon(self) -> None:
        """Let go of what a thread was given that will not run: the thread object belongs to it and leads here."""
        self.function = self.invocation = None

    def run(self) -> None:
        """Run the function, in the new thread."""
        function, (args, kwargs) = self.function, self.invocation
        # A thread may outlive its arguments: what the function itself let go of must not be kept here.
        self.function = self.invocation = None
        guarded(self._begin)
        try:
            function(*args, **kwargs)
        except SystemExit:
            self.outcome = "exited"
        except BaseException as exception:
            exception.__traceback__ = exception.__traceback__ and exception.__traceback__.tb_next
            guarded(self._record_exception, exception)
            _print_unraisable(exception, function)
        finally:
            _live.pop(self, None)
            guarded(self._end)

    def _begin(self) -> None:
        if self.target is None:
            return
        self.ident, self.native_id = get_ident(), get_native_id()
        self.started = monotonic_ns()
        self.target.started.add()
        _live[self] = self.target
        self.trace.begin()

    def _record_exception(self, exception: BaseException) -> None:
        self.outcome = "raised"
        if self.target is None:
            return
        event = unhandled.record_exception(
            exception, self.target.name, self.ident, self.native_id, monotonic_ns(), current_span()
        )
        if Settings.listening:
            push_event(event)

    def _end(self) -> None:
        if self.target is None or not self.started:
            return
        lifetime = monotonic_ns() - self.started
        start_delay = self.started - self.requested
        cpu_time = time.thread_time_ns()
        _finished.add((self.target, start_delay, lifetime, cpu_time))
        if Settings.listening:
            push_event(self._finished_row(self.target, start_delay, lifetime, cpu_time))

    def _finished_row(self, target: Target, start_delay: int, lifetime: int, cpu_time: int) -> ThreadFinishedRow:
        starter_span, thread_span, starter_span_itself = self.trace.end()
        return ThreadFinishedRow(
            event="thread_finished",
            ident=self.ident,
            native_id=self.native_id,
            target=target.name,
            starter=self.starter,
            requested_ns=self.requested,
            start_delay_ns=start_delay,
            lifetime_ns=lifetime,
            cpu_time_ns=cpu_time,
            outcome=self.outcome,
            starter_span=starter_span,
            thread_span=thread_span,
            starter_span_itself=starter_span_itself,
        )


_live: dict[ThreadRecord, Target] = {}


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


def _print_unraisable(exception: BaseException, function: object) -> None:
    """Report the exception as `_thread` would have, had the function been started without us."""
    if sys.version_info >= (3, 13):
        message, culprit = f"Exception ignored in thread started by {function!r}", None
    else:
        message, culprit = "Exception ignored in thread started by", function
    arguments = (type(exception), exception, exception.__traceback__, message, culprit)
    # The type has no public name; the interpreter's hook insists on it.
    hook_args: Any = next(cls for cls in tuple.__subclasses__() if cls.__name__ == "UnraisableHookArgs")
    sys.unraisablehook(hook_args(arguments))


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

    The arguments are the function, the tuple, and optionally a dictionary of keyword arguments. `name` is what the
    thread is counted under instead of the function's own name. Raises TypeError for arguments that do not fit,
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

    def __call__(self, function: Any, handle: Any = None, daemon: Any = True, *, name: str | None = None) -> Any:
        if not callable(function):
            raise TypeError("thread function must be callable")
        start = _raw_start_joinable_thread
        if _is_passed_on():
            return start(function, handle=handle, daemon=daemon)
        if serves_telemetry():
            return start(lambda: _run_untracked(function, (), {}), handle=handle, daemon=daemon)
        return _started(start, ThreadRecord(function, (), {}, checked_name(name, "thread")), handle, daemon)


start_joinable_thread: _StartJoinableThread = _StartJoinableThread("start_joinable_thread")


def read_threads() -> list[TargetRow]:
    """One row per target of which a thread was started."""
    settle()
    return [target.read() for target in list(_targets.values()) if target.started.value]


def read_live_threads() -> list[LiveThreadRow]:
    """One row per running thread that was started under observation."""
    return [
        LiveThreadRow(ident=thread.ident, native_id=thread.native_id, target=target.name, started_ns=thread.started)
        for thread, target in list(_live.items())
    ]


@on_reset
def _zero() -> None:
    for target in list(_targets.values()):
        target.zero()
    for target in list(_live.values()):
        target.started.add()


def forget_other_threads() -> None:
    """Forget the threads of the parent in a forked child."""
    me = get_ident()
    for thread in list(_live):
        if thread.ident != me:
            del _live[thread]


__all__ = [
    "forget_other_threads",
    "observed_run",
    "pass_on",
    "read_live_threads",
    "read_threads",
    "start_joinable_thread",
    "start_new_thread",
]
