"""From spans and log records to OTLP requests, sent by the thread that built them.

The SDK's batching processors send in threads of their own and drop in silence what they have no room for. Here the
worker of the exporter sends, so that nothing is dropped without being counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeVar

from opentelemetry.sdk._logs import LogRecordProcessor, ReadableLogRecord, ReadWriteLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

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
        """What has ended since the last call."""
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
        """What was emitted since the last call."""
        records, self._records = self._records, []
        return records

    def shutdown(self) -> None:
        """Nothing to do."""

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Nothing to do."""
        return True


def send(items: Sequence[Item], export: Callable[[Sequence[Item]], Any]) -> int:
    """Send in batches, until one of them is refused. Returns how many were not sent."""
    sent = 0
    for batch in _batches(items):
        # Each signal has a result of its own, all with the same names.
        if export(batch).name != "SUCCESS":
            break
        sent += len(batch)
    return len(items) - sent


def _batches(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    return (items[start : start + MAX_BATCH] for start in range(0, len(items), MAX_BATCH))
