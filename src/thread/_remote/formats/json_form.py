"""A dump for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from ..views import Dump


def as_json(dumps: Sequence[Dump]) -> str:
    """Return dumps as one JSON object. Fields only ever come in addition; times are in seconds."""
    processes = [asdict(dump) | {"hung": dump.is_hung} for dump in dumps]
    return json.dumps({"version": 1, "processes": processes}, indent=2) + "\n"
