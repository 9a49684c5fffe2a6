"""Content negotiation (RFC 9110) between a client and the formats that prometheus_client writes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

TEXT: Final = "text/plain;version=0.0.4"
_OFFERS: Final = (
    # In our order of preference, for clients that have none.
    ("text", "plain", "0.0.4"),
    ("application", "openmetrics-text", "1.0.0"),
    ("text", "plain", "1.0.0"),
)
_ESCAPING: Final = frozenset({"allow-utf-8", "underscores", "dots", "values"})
_QUALITY: Final = re.compile(r"(0(\.[0-9]{0,3})?|1(\.0{0,3})?)")
_ELEMENT: Final = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*")+')
_PARAMETER: Final = re.compile(r';\s*([!#$%&\'*+.^_`|~0-9A-Za-z-]+)=("(?:[^"\\]|\\.)*"|[^;"]*)\s*')
_RANGE: Final = re.compile(r"\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?:/([!#$%&'*+.^_`|~0-9A-Za-z-]+))?\s*")
_MAX_LENGTH: Final = 4096


@dataclass(frozen=True, slots=True)
class _Element:
    """One element of an Accept header. Malformed elements are ignored."""

    kind: str
    subtype: str
    parameters: dict[str, str]
    quality: float


@lru_cache(maxsize=64)
def wanted_format(accept: str) -> str:
    """Choose a format, in the notation that prometheus_client understands. TEXT if the client accepts none of them."""
    ranges = [each for each in _elements(accept) if each.subtype]
    best, best_preference = TEXT, (0.0, 0)
    for kind, subtype, version in _OFFERS:
        specificity, position = max(
            ((_specificity(each, kind, subtype, version), -index) for index, each in enumerate(ranges)), default=(0, 0)
        )
        found = ranges[-position] if specificity else None
        if found is None or not found.quality:
            continue
        preference = found.quality, position
        if not best_preference[0] or preference > best_preference:
            best, best_preference = f"{kind}/{subtype};version={version}", preference
            escaping = found.parameters.get("escaping", "")
            if version == "1.0.0" and escaping in _ESCAPING:
                best += f";escaping={escaping}"
    return best


def accepts_gzip(accept_encoding: str) -> bool:
    """Check if an Accept-Encoding header allows gzip."""
    qualities = {each.kind: each.quality for each in _elements(accept_encoding)}
    return qualities.get("gzip", qualities.get("x-gzip", qualities.get("*", 0.0))) > 0


def _specificity(each: _Element, kind: str, subtype: str, version: str) -> int:
    if each.parameters.get("version", version) != version:
        return 0
    if (each.kind, each.subtype) == (kind, subtype):
        return 3 + ("version" in each.parameters)
    if (each.kind, each.subtype) == (kind, "*"):
        return 2
    return int((each.kind, each.subtype) == ("*", "*"))


def _elements(header: str) -> Iterator[_Element]:
    for text in _ELEMENT.findall(header[:_MAX_LENGTH]):
        name = _RANGE.match(text)
        if name is None:
            continue
        rest = text[name.end() :]
        if _PARAMETER.sub("", rest).strip(" \t;"):
            continue
        parameters = {key.lower(): _unquoted(value) for key, value in _PARAMETER.findall(rest)}
        quality = parameters.pop("q", "1")
        if _QUALITY.fullmatch(quality):
            yield _Element(name[1].lower(), (name[2] or "").lower(), parameters, float(quality))


def _unquoted(value: str) -> str:
    value = value.strip()
    return re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
