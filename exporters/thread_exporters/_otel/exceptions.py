"""Unhandled exceptions as span events, as log records, or as both.

OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN chooses, as in the semantic conventions for exceptions: `logs` means log records
only, `logs/dup` both, and anything else span events only.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

from opentelemetry._logs import LoggerProvider, LogRecord, SeverityNumber

from thread import telemetry

from .._schema.encodable import encodable, encodable_attributes
from .._schema.site_attributes import site_attributes
from . import scope
from .context import parent_context

VARIABLE: Final = "OTEL_SEMCONV_EXCEPTION_SIGNAL_OPT_IN"


@dataclass(frozen=True, slots=True)
class ExceptionSignal:
    """The signals that carry exceptions."""

    span_events: bool
    log_records: bool


def signal_from_environment() -> ExceptionSignal:
    """Read the environment variable."""
    # Variables of the semantic conventions hold lists.
    chosen = {each.strip() for each in os.environ.get(VARIABLE, "").split(",")}
    both = "logs/dup" in chosen
    logs = "logs" in chosen
    return ExceptionSignal(span_events=both or not logs, log_records=both or logs)


def attributes_of(event: telemetry.UnhandledException) -> dict[str, str]:
    """Return the attributes that both signals share."""
    message = {"exception.message": encodable(event.message)} if event.message else {}
    return {
        "exception.type": encodable(event.type),
        **message,
        "exception.stacktrace": encodable(event.traceback),
    }


def summary_of(event: telemetry.UnhandledException) -> str:
    """Return the type of the exception, followed by its message if there is one."""
    return encodable(f"{event.type}: {event.message}" if event.message else event.type)


def emit_log_record(
    provider: LoggerProvider, event: telemetry.UnhandledException, span: telemetry.SpanContext | None
) -> None:
    """Emit a log record that belongs to a span."""
    provider.get_logger(scope.NAME, scope.VERSION, scope.SCHEMA_URL).emit(
        LogRecord(
            timestamp=int(event.at * 1e9),
            context=parent_context(span),
            severity_number=SeverityNumber.ERROR,
            severity_text="ERROR",
            body=summary_of(event),
            event_name="exception",
            attributes={
                **attributes_of(event),
                "thread.id": event.ident,
                "python.thread.target": encodable(event.target),
                **encodable_attributes(site_attributes("code", event.site).items()),
            },
        )
    )
