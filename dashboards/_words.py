"""Words for numbers."""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.models.dashboard import (
    DashboardRangeMapOptions,
    RangeMap,
    ValueMap,
    ValueMapping,
    ValueMappingResult,
)

YES_OR_NO: Final[tuple[ValueMapping, ...]] = (
    ValueMap({"0": ValueMappingResult(text="no", color="red", index=0)}),
    RangeMap(DashboardRangeMapOptions(1e-9, None, ValueMappingResult(text="yes", color="green", index=1))),
)
"""0 is no, more is yes: instances of several processes add theirs up."""

SEVERITIES: Final = {"critical": "red", "warning": "orange", "info": "blue"}
"""The severities of alerts, the worst first, and their colours."""

RANKS: Final[tuple[ValueMapping, ...]] = tuple(
    ValueMap({str(rank): ValueMappingResult(text=severity, color=colour, index=rank)})
    for rank, (severity, colour) in enumerate(SEVERITIES.items(), start=1)
)
"""Severities by rank, 1 the worst."""
