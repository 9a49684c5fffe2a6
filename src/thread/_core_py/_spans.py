"""The span of a trace that a thread runs in.

A tracing library keeps the current span in a context variable, in a mapping under a key. The span keeps its context in
an attribute: a tuple that begins with the identifier of the trace. The library gives their names: see
`_export/tracing.py`.

Python code cannot see the context variables of another thread. So a lock remembers the span in which its owner acquired
it. The C core looks at the span that the owner is in while others wait.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any
from weakref import ref

from .._inspection.targets import may_start_untracked_thread
from ._runtime import Settings, is_internal_error

_tracing: list[Any] = [None]


def set_tracing(tracing: Any) -> None:
    """Read the current span as this object describes it, and call its hooks; None: nothing traces."""
    if tracing is not None and not isinstance(tracing.variable, ContextVar):
        raise TypeError(f"Tracing.variable must be a ContextVar, not {type(tracing.variable).__name__}")
    if tracing is not None and not isinstance(tracing.thread_span_type, type):
        raise TypeError(f"Tracing.thread_span_type must be a class, not {type(tracing.thread_span_type).__name__}")
    _tracing[0] = tracing
    Settings.tracing = tracing is not None


def _span_of_this_thread(tracing: Any) -> Any:
    mapping = tracing.variable.get(None)
    return mapping.get(tracing.span_key) if isinstance(mapping, dict) else None


def _context_of(span: Any, tracing: Any) -> Any:
    attributes = getattr(span, "__dict__", {})
    if type(span) is tracing.thread_span_type:
        # It stands for its context, which is made on demand, as long as its starter's span exists.
        return None if _starter_of(span) is None else span
    context = attributes.get(tracing.context_attribute)
    return context if isinstance(context, tuple) and context and context[0] else None


def _starter_of(thread_span: Any) -> Any:
    starter = thread_span.__dict__.get("starter")
    return starter() if isinstance(starter, ref) else None


def current_span() -> Any:
    """The context of the span that this thread runs in, None if there is none or nothing traces."""
    tracing = _tracing[0]
    return None if tracing is None else _context_of(_span_of_this_thread(tracing), tracing)


class ThreadTrace:
    """The trace that a thread was started in. Made in the thread that starts it."""

    __slots__ = ("_current", "span", "starter_context")

    def __init__(self, function: object) -> None:
        self.starter_context: Any = None
        self.span: Any = None
        self._current: Any = None
        tracing = _tracing[0]
        starter = None if tracing is None else _span_of_this_thread(tracing)
        if starter is None:
            return
        self.starter_context = _context_of(starter, tracing)
        if self.starter_context is not None:
            try:
                self._join(tracing, starter, function)
            except Exception as error:
                self.span = None
                if not is_internal_error(error):
                    raise

    def _join(self, tracing: Any, starter: Any, function: object) -> None:
        self.span = object.__new__(tracing.thread_span_type)
        self.span.starter = ref(starter)
        self.span.starter_context = self.starter_context
        if may_start_untracked_thread(function) and not tracing.prepare_thread(function, self.span):
            self.span = None
        self._current = tracing.context_type({} if self.span is None else {tracing.span_key: self.span})

    def begin(self) -> None:
        """Enter the span, in the new thread, before it calls its function."""
        tracing, current, self._current = _tracing[0], self._current, None
        if tracing is not None and current is not None:
            tracing.variable.set(current)

    def end(self) -> tuple[Any, Any, Any]:
        """The context of the starter's span, the thread's span, and the starter's span itself.

        They are the last three fields of the event of a thread's end. The last one is None if that span is gone;
        otherwise its reader sees when it ended.
        """
        return self.starter_context, self.span, None if self.span is None else _starter_of(self.span)
