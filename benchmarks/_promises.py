"""Promises, measurements, and their comparison."""

from __future__ import annotations

import os
import statistics
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from thread._backend import core

CALIBRATING = os.environ.get("THREAD_TELEMETRY_BENCHMARKS_CALIBRATE", "") not in ("", "0")
"""True if the interpreter is measured against itself, without promises."""

Version = tuple[int, int]
Sign = Literal["≤", "≥"]


@dataclass(frozen=True, slots=True)
class Promise:
    """A bound on the median."""

    sign: Sign
    bound: float

    def is_kept_by(self, value: float) -> bool:
        return value <= self.bound if self.sign == "≤" else value >= self.bound


def at_most(bound: float | Mapping[Version, float | None]) -> Promise | None:
    """Promise an upper bound for the C core. Bounds by version also hold for later ones; None promises nothing."""
    return _promise("≤", bound)


def at_least(bound: float | Mapping[Version, float | None]) -> Promise | None:
    """Promise a lower bound, in the same way."""
    return _promise("≥", bound)


def _promise(sign: Sign, bound: float | Mapping[Version, float | None]) -> Promise | None:
    limit = bound[max(each for each in bound if sys.version_info >= each)] if isinstance(bound, Mapping) else bound
    return None if limit is None or core.NAME != "c" or CALIBRATING else Promise(sign, limit)


class Unmeasurable(Exception):
    """A measurement is impossible; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Measured:
    """The values of all rounds, and a remark for the reader."""

    values: tuple[float, ...]
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table: one thing to measure."""

    name: str
    work: str
    against: str
    promise: Promise | None
    measure: Callable[[], Measured]
    unit: str = ""
    """Unit of the promise and of the values; empty for ratios."""

    def result(self) -> Result:
        try:
            return self._result(self.measure(), skipped="")
        except Unmeasurable as reason:
            return self.unmeasured(str(reason))

    def unmeasured(self, reason: str) -> Result:
        return self._result(Measured(()), skipped=reason)

    def _result(self, measured: Measured, skipped: str) -> Result:
        return Result(
            self.name, self.work, self.against, self.promise, self.unit, measured.values, measured.detail, skipped
        )


@dataclass(frozen=True, slots=True)
class Result:
    """The result of measuring one row."""

    name: str
    work: str
    against: str
    promise: Promise | None
    unit: str
    values: tuple[float, ...]
    detail: str
    skipped: str
    """Reason why nothing was measured; empty if something was."""

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def middle_half(self) -> tuple[float, float]:
        """First and third quartile. Half of the rounds lie between them."""
        if len(self.values) < 2:
            return (self.median, self.median)
        low, _, high = statistics.quantiles(self.values, n=4, method="inclusive")
        return (low, high)

    @property
    def verdict(self) -> str:
        if self.skipped:
            return "not measured"
        if self.promise is None:
            return ""
        return "met" if self.promise.is_kept_by(self.median) else "MISSED"

    def as_json(self) -> dict[str, Any]:
        """Return the fields and the values derived from them."""
        return {
            "name": self.name,
            "work": self.work,
            "against": self.against,
            "promise": self.promise and {"sign": self.promise.sign, "bound": self.promise.bound},
            "unit": self.unit,
            "median": self.median if self.values else None,
            "quartiles": self.middle_half if self.values else None,
            "verdict": self.verdict,
            "detail": self.detail,
            "skipped": self.skipped,
            "values": self.values,
        }


def result_from_json(fields: Mapping[str, Any]) -> Result:
    """Restore a result from the output of `as_json`."""
    promise = fields["promise"]
    return Result(
        name=fields["name"],
        work=fields["work"],
        against=fields["against"],
        promise=promise and Promise(**promise),
        unit=fields["unit"],
        values=tuple(fields["values"]),
        detail=fields["detail"],
        skipped=fields["skipped"],
    )
