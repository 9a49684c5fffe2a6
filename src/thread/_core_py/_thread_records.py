"""The record of one thread, from the request to start it to its end."""

from __future__ import annotations

import sys
import time
from _thread import get_ident, get_native_id
from typing import Any

from .._inspection import unhandled
from .._inspection.targets import describe_target
from .._rows import LiveThreadRow, ThreadFinishedRow
from ._events import push_event
from ._runtime import Settings, guarded, monotonic_ns, on_reset
from ._sites import site_charged
from ._spans import ThreadTrace, current_span
from ._targets import Target, finished_threads, target_named


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
        """Begin the record. If that fails, nothing is recorded."""
        target = target_named(name or describe_target(function))
        self.starter = site_charged(sys._getframe(2))
        self.trace = ThreadTrace(function)
        self.requested = monotonic_ns()
        self.target = target

    def abandon(self) -> None:
        """Drop the function of a thread that will not run: it may belong to the thread object, which leads here."""
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
        finished_threads.add((self.target, start_delay, lifetime, cpu_time))
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


def read_live_threads() -> list[LiveThreadRow]:
    """One row per running thread that was started under observation."""
    return [
        LiveThreadRow(ident=thread.ident, native_id=thread.native_id, target=target.name, started_ns=thread.started)
        for thread, target in list(_live.items())
    ]


@on_reset
def _count_running() -> None:
    for target in list(_live.values()):
        target.started.add()


def forget_other_threads() -> None:
    """Forget the threads of the parent in a forked child."""
    me = get_ident()
    for thread in list(_live):
        if thread.ident != me:
            del _live[thread]
