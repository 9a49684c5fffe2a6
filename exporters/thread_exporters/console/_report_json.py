"""The report for programs: a whole snapshot and the longest waits as one JSON document.

Names are those of the classes in `thread.telemetry`, and times are in seconds. Histograms also have their median and
99th percentile; all of them share the same bucket bounds.
"""

from __future__ import annotations

import json
import os
from dataclasses import fields, is_dataclass
from typing import Any

from thread.telemetry import Histogram, Snapshot

from ._highlights import Highlights


def report_json(snapshot: Snapshot, highlights: Highlights) -> str:
    """Return the document, with a newline at the end."""
    report = {
        "version": 1,
        "process": os.getpid(),
        **_plain(snapshot),
        "slow_waits": _plain(highlights.slow_waits),
        "slow_waits_seen": highlights.slow_waits_seen,
        "bucket_bounds": Histogram.bounds,
    }
    return json.dumps(report, indent=1) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, Histogram):
        return {
            "count": value.count,
            "sum": value.sum,
            "max": value.max,
            "p50": value.quantile(0.5),
            "p99": value.quantile(0.99),
            "buckets": value.buckets,
        }
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value
