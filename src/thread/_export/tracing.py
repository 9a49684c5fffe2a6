"""Spans in a tracing library's context, and the spans of threads.

`thread` itself knows no tracing library. An exporter that does describes it here. From then on waits, threads and
exceptions carry the context of the span in which they happened.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context, ContextVar
from dataclasses import dataclass
from typing import Any, Protocol
from weakref import ref

from .._backend import core
from .._inspection.targets import thread_of


class ThreadSpan(Protocol):
    """Span of a thread that was started in a span.

    The core makes it without a call of Python code, since a new thread has to be cheap, and without a call of its
    constructor; it sets the two attributes.
    """

    starter: ref[Any]
    """The span in which the thread was started."""
    starter_context: Any
    """The context of that span, or the span itself if it is a thread's, too."""

    def context_at(self, at_ns: int) -> Any:
        """Context of this span at a recent Unix time; None if the thread belonged to no trace then."""

    def outcome(self, starter: Any, started_ns: int, ended_ns: int) -> tuple[Any, bool, int | None]:
        """Values of `span`, `span_was_read` and `left_trace_at` of `ThreadFinished`: a context or None, a bool, and
        Unix nanoseconds or None.

        Called some time after the thread ended, with the span in which it was started, if that existed until its end.
        """
        ...


@dataclass(frozen=True, slots=True)
class Tracing:
    """Description of a tracing library: its current span, and the spans of threads."""

    variable: ContextVar[Any]
    """The context variable with the current context: a dictionary, or an object of a class derived from it."""
    span_key: str
    """Key of the current span in that context."""
    context_attribute: str
    """Attribute of a span that holds its context: a tuple that begins with the identifier of the trace, 0 without one.
    It is read from the `__dict__` of the span, so that no Python code runs while a thread waits."""
    context_type: Callable[[dict[str, Any]], Any]
    """Makes a value of `variable` from its entries. Best a type that is not written in Python."""
    thread_span_type: type[ThreadSpan]
    prepare_thread: Callable[[Any, Any], bool]
    """Called with a `threading.Thread` that is started in a span, and with the span made for it. Returns whether the
    thread belongs to the trace; a worker that serves many traces does not."""
    enter: Callable[[Any, Any], Any]
    """Value of `variable` with a thread's span as the current one, if the variable has a value already."""


class _InForce:
    """Arguments of the core for a `Tracing`."""

    __slots__ = ("_tracing", "context_attribute", "context_type", "span_key", "thread_span_type", "variable")

    def __init__(self, tracing: Tracing) -> None:
        self._tracing = tracing
        self.variable = tracing.variable
        self.span_key = tracing.span_key
        self.context_attribute = tracing.context_attribute
        self.context_type = tracing.context_type
        self.thread_span_type = tracing.thread_span_type

    def prepare_thread(self, function: object, span: ThreadSpan) -> bool:
        """True if the thread that will call this method belongs to the trace."""
        thread = thread_of(function)
        if thread is None:
            return True
        if not self._tracing.prepare_thread(thread, span):
            return False
        # Since 3.14 the function of a `threading.Thread` runs in a context of its own.
        inner = getattr(thread, "_context", None)
        if isinstance(inner, Context):
            inner.run(self._enter, span)
        return True

    def _enter(self, span: ThreadSpan) -> None:
        self.variable.set(self._tracing.enter(span, self.variable.get(None)))


_in_force: list[Tracing] = []


def begin_tracing(tracing: Tracing) -> None:
    """Read spans as `tracing` describes, from now on. An earlier description is replaced.

    Raises TypeError if `tracing.variable` is no context variable. Thread-safe.
    """
    core.set_tracing(_InForce(tracing))
    _in_force[:] = [tracing]


def end_tracing(tracing: Tracing) -> None:
    """Read no more spans, unless another `Tracing` is in force by now. Thread-safe."""
    if _in_force == [tracing]:
        _in_force.clear()
        core.set_tracing(None)
