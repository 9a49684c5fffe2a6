"""From spans and log records to OTLP requests, sent by the thread that built them.

The SDK's batching processors send in threads of their own and drop in silence what they have no room for. Here the
worker of the exporter sends, so that nothing is dropped without being counted.
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
"""Spans or log records in one request: the SDK's default for its own processors."""

Item = TypeVar("Item")


class CollectedSpans(SpanProcessor):
    """Keeps the spans that ended until they are taken."""

    def __init__(self) -> None:
        self._spans: list[ReadableSpan] = []

    def on_end(self, span: ReadableSpan) -> None:
        """Keep it, if it is sampled."""
        if span.context is not None and span.context.trace_flags.sampled:
            self._spans.append(span)

    def take(self) -> list[ReadableSpan]:
        """Return the spans that ended since the last call."""
        spans, self._spans = self._spans, []
        return spans


class CollectedLogRecords(LogRecordProcessor):
    """Keeps the log records that were emitted until they are taken."""

    def __init__(self) -> None:
        self._records: list[ReadableLogRecord] = []

    def on_emit(self, log_record: ReadWriteLogRecord) -> None:
        """Keep it."""
        self._records.append(
            ReadableLogRecord(
                log_record=log_record.log_record,
                resource=log_record.resource or Resource.get_empty(),
                instrumentation_scope=log_record.instrumentation_scope,
                limits=log_record.limits,
            )
        )

    def take(self) -> list[ReadableLogRecord]:
        """Return the records that were emitted since the last call."""
        records, self._records = self._records, []
        return records

    def shutdown(self) -> None:
        """Nothing to do."""

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Nothing to do."""
        return True


class Sender:
    """Sends one signal through the SDK's exporter for it, made by `make`, which reads the standard variables."""

    def __init__(self, signal: Signal, make: Callable[..., Any], deadline: Deadline) -> None:
        self.signal: Final[Signal] = signal
        self._adapter = TimelyAdapter(deadline)
        # A provider of credentials brings a session of its own, and has only the time-outs of the SDK.
        options = {} if _has_credential_provider(signal) else {"session": TimelySession(self._adapter)}
        self.exporter = make(**options)
        module = type(self.exporter).__module__
        not_ours.listen_to(module)
        # For its pauses.
        draw_from_system(module, "opentelemetry.exporter.otlp.common.http")
        self.trouble: str | None = None
        """Why the last delivery failed, None if it did not."""

    @property
    def endpoint(self) -> str:
        """The address of the last request."""
        return self._adapter.url or "the receiver"

    def deliver(self, items: Sequence[Any], seconds: float) -> int:
        """Send in batches, until one of them is refused or the time is over. Returns how many were not sent."""
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
            # A program that becomes a daemon closes what it does not know, and its next file gets the number of ours.
            # So none is kept open until the next export.
            self._adapter.close()
        return left

    def _trouble_with(self, batch: Sequence[Any]) -> str | None:
        try:
            # Metrics come in one piece.
            result = self.exporter.export(batch[0] if self.signal == "metrics" else batch)
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        # Each signal has a result of its own, all with the same names.
        if result.name == "SUCCESS":
            return None
        return self._adapter.trouble or not_ours.latest or "it was not taken"


def _has_credential_provider(signal: Signal) -> bool:
    variables = (f"OTEL_PYTHON_EXPORTER_OTLP_HTTP_{part}CREDENTIAL_PROVIDER" for part in ("", f"{signal.upper()}_"))
    return any(os.environ.get(variable) for variable in variables)


def _batches(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    return (items[start : start + MAX_BATCH] for start in range(0, len(items), MAX_BATCH))
