"""The path from spans and log records to OTLP requests, all in the thread that built them.

The SDK's batching processors send from threads of their own and silently drop items when their queue is full. Here the
exporter's worker sends, so that everything dropped is counted.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeVar

from opentelemetry.sdk._logs import LogRecordProcessor, ReadableLogRecord, ReadWriteLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

from .._otel.environment import Signal
from .._otel.identifiers import draw_from_system
from .._otel.suppression import not_ours
from .connection import Deadline, TimelyAdapter, TimelySession

MAX_BATCH: Final = 512
"""Maximum number of spans or log records per request, as in the SDK's own processors."""

Item = TypeVar("Item")


class CollectedSpans(SpanProcessor):
    """A span processor that keeps ended spans until they are taken."""

    def __init__(self) -> None:
        self._spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        """Keep the span if it is sampled."""
        if span.context is not None and span.context.trace_flags.sampled:
            self._spans.append(span)

    def take(self) -> list[ReadableSpan]:
        """Return the spans that have ended since the last call."""
        spans, self._spans = self._spans, []
        return spans


class CollectedLogRecords(LogRecordProcessor):
    """A log record processor that keeps emitted records until they are taken."""

    def __init__(self) -> None:
        self._records: list[ReadableLogRecord] = []

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Keep the record."""
        self._records.append(
            ReadableLogRecord(
                log_record=log_record.log_record,
                resource=log_record.resource or Resource.get_empty(),
                instrumentation_scope=log_record.instrumentation_scope,
                limits=log_record.limits,
            )
        )

    def take(self) -> list[ReadableLogRecord]:
        """Return the records emitted since the last call."""
        records, self._records = self._records, []
        return records

    def shutdown(self) -> None:
        """Do nothing."""

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Do nothing."""
        return True


class Sender:
    """Sends one signal through the SDK's exporter. `make` makes the exporter from the standard variables."""

    def __init__(self, signal: Signal, make: Callable[..., Any], deadline: Deadline) -> None:
        self.signal: Final[Signal] = signal
        self._adapter = TimelyAdapter(deadline)
        # A credential provider brings its own session, which has only the SDK's timeouts.
        options = {} if _has_credential_provider(signal) else {"session": TimelySession(self._adapter)}
        self.exporter = make(**options)
        module = type(self.exporter).__module__
        not_ours.listen_to(module)
        # The SDK draws random numbers for its pauses.
        draw_from_system(module, "opentelemetry.exporter.otlp.common.http")
        self.trouble: str | None = None
        """Cause of the last failed delivery; None after a success."""

    @property
    def endpoint(self) -> str:
        """Address of the last request."""
        return self._adapter.url or "the receiver"

    def deliver(self, items: Sequence[Any], seconds: float) -> int:
        """Send in batches until one is refused or the time is up. Returns the number of items that were not sent."""
        if not items:
            return 0
        self.trouble = not_ours.latest = None
        self._adapter.begin(seconds)
        left = len(items)
        try:
            for batch in _batches(items):
                self.trouble = self._trouble_with(batch)
                if self.trouble is not None:
                    break
                left -= len(batch)
        finally:
            # A program that becomes a daemon closes all descriptors, and its next file may get the number of ours.
            # So no connection stays open until the next export.
            self._adapter.close()
        return left

    def _trouble_with(self, batch: Sequence[Any]) -> str | None:
        try:
            # Metrics are a single item.
            result = self.exporter.export(batch[0] if self.signal == "metrics" else batch)
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        # Each signal has its own result type. They all use the same names.
        if result.name == "SUCCESS":
            return None
        return self._adapter.trouble or not_ours.latest or "the receiver refused it"


def _has_credential_provider(signal: Signal) -> bool:
    variables = (f"OTEL_PYTHON_EXPORTER_OTLP_HTTP_{part}CREDENTIAL_PROVIDER" for part in ("", f"{signal.upper()}_"))
    return any(os.environ.get(variable) for variable in variables)


def _batches(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    return (items[start : start + MAX_BATCH] for start in range(0, len(items), MAX_BATCH))
