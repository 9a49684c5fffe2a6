"""Access to the rules in dashboards/rules."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import yaml

RULES = Path(__file__).parent.parent.parent / "dashboards" / "rules"
GROUPS: list[dict[str, Any]] = [
    group for file in sorted(RULES.glob("*.yml")) for group in yaml.safe_load(file.read_text())["groups"]
]
ALL: list[dict[str, Any]] = [rule for group in GROUPS for rule in group["rules"]]
ALERTS = [rule for rule in ALL if "alert" in rule]
UNIT_TESTS = sorted((RULES / "tests").glob("*.yml"))

_DURATION = re.compile(r"\b(\d+)([smh])\b")
_AGE = re.compile(r"(_oldest_seconds\{[^}]*\}\s*\)? > )(\d+)")
_IN_MILLISECONDS = {"s": 1_000, "m": 60_000, "h": 3_600_000}


def name_of(rule: dict[str, Any]) -> str:
    return str(rule.get("alert") or rule["record"])


def faster(factor: int) -> dict[str, Any]:
    """Divide all times in the rules by a factor: `for`, windows, offsets, and the age of a wait."""
    groups = copy.deepcopy(GROUPS)
    for rule in (rule for group in groups for rule in group["rules"]):
        for key in {"expr", "for", "keep_firing_for"} & rule.keys():
            rule[key] = _DURATION.sub(lambda found: _divided(int(found[1]), found[2], factor), rule[key])
        if "expr" in rule and "alert" in rule:
            rule["expr"] = _AGE.sub(lambda found: f"{found[1]}{float(found[2]) / factor}", rule["expr"])
    return {"groups": groups}


def _divided(number: int, unit: str, factor: int) -> str:
    return f"{number * _IN_MILLISECONDS[unit] // factor}ms"
