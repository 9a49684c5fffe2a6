"""OpenTelemetry's standard environment variables that the SDK reads only for its own readers and providers."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterable
from typing import Final, Literal, TypeAlias

Signal: TypeAlias = Literal["traces", "logs", "metrics"]

PROTOCOL: Final = "http/protobuf"

_log: Final = logging.getLogger("thread.telemetry")


def sdk_is_disabled() -> bool:
    """True if OTEL_SDK_DISABLED turns every signal off."""
    return os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"


def is_wanted(signal: Signal) -> bool:
    """True unless OTEL_SDK_DISABLED, or `none` in OTEL_…_EXPORTER, turns this signal off."""
    return not sdk_is_disabled() and os.environ.get(f"OTEL_{signal.upper()}_EXPORTER", "").strip().lower() != "none"


def check_protocol(signals: Iterable[Signal]) -> None:
    """Log one line if the environment asks for a protocol other than HTTP with protobuf."""
    for signal in signals:
        for variable in (f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
            if protocol := os.environ.get(variable, "").strip():
                break
        else:
            continue
        if protocol != PROTOCOL:
            _log.warning("%s: expected %s, got %r; using %s for all signals", variable, PROTOCOL, protocol, PROTOCOL)
            return


def metric_interval() -> float:
    """Return the minimum seconds between two exports of metrics: 0 unless OTEL_METRIC_EXPORT_INTERVAL is set."""
    return _milliseconds("OTEL_METRIC_EXPORT_INTERVAL", 0.0)


def metric_timeout() -> float:
    """Return the maximum seconds an export of metrics may take: unlimited unless OTEL_METRIC_EXPORT_TIMEOUT is set."""
    return _milliseconds("OTEL_METRIC_EXPORT_TIMEOUT", math.inf)


def exemplars_are_wanted() -> bool:
    """True unless OTEL_METRICS_EXEMPLAR_FILTER turns exemplars off. All of ours belong to sampled spans."""
    return os.environ.get("OTEL_METRICS_EXEMPLAR_FILTER", "").strip().lower() != "always_off"


def _milliseconds(variable: str, default: float) -> float:
    text = os.environ.get(variable, "").strip()
    if not text:
        return default
    try:
        seconds = float(text) / 1000
    except ValueError:
        seconds = -1.0
    # NaN fails this as well.
    if not 0 < seconds < math.inf:
        _log.warning("%s: expected a number of milliseconds above 0, got %r; ignoring it", variable, text)
        return default
    return seconds
