"""Words that are shown in the place of numbers."""

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
"""0 is no, whatever is more is yes: instances of several processes add theirs up."""
