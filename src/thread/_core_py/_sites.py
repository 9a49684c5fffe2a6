"""From a frame to the site that a wait is charged to, and to the sites of a whole stack."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Final

from .._base.code_origin import OWN_FOLDER
from .._inspection.naming import OTHER_SITE, UNKNOWN_SITE, RawSite, describe_site, module_of
from ._code_info import info_of
from ._frames import MAX_STEPS, frames_from
from ._runtime import Settings, is_internal_error, is_untracked, note_cap

MAX_SITES: Final = 2000

_sites: dict[RawSite, RawSite] = {}


def frame_charged(frame: FrameType | None) -> FrameType | None:
    """The nearest frame of the program itself, else the innermost."""
    for outer in frames_from(frame):
        if not info_of(outer.f_code).internal:
            return outer
    return frame


def passes_an_sdk(frame: FrameType | None) -> bool:
    """True if code of a telemetry SDK lies between a frame and the nearest one of the program."""
    for outer in frames_from(frame):
        info = info_of(outer.f_code)
        if not info.internal:
            return False
        if info.of_an_sdk:
            return True
    return False


def serves_telemetry() -> bool:
    """True if this thread works for telemetry now: for ours, or for the SDK of a telemetry library."""
    try:
        return is_untracked() or passes_an_sdk(sys._getframe(1))
    except Exception as error:
        if not is_internal_error(error):
            raise
        return False


def site_charged(frame: FrameType | None) -> RawSite:
    """The line that the innermost code of the program is at."""
    charged = frame_charged(frame)
    return UNKNOWN_SITE if charged is None else site_of_frame(charged)


def site_of_frame(frame: FrameType) -> RawSite:
    """The line that a frame is at."""
    sites = info_of(frame.f_code).sites
    site = sites.get(frame.f_lasti)
    if site is None:
        site = sites[frame.f_lasti] = _site_interned(_site_new(frame))
    return site


def _site_new(frame: FrameType) -> RawSite:
    return describe_site(frame.f_code, frame.f_lasti, module_of(frame.f_globals))


def _site_interned(site: RawSite) -> RawSite:
    """The site itself, `other` if there are too many."""
    if site not in _sites and len(_sites) >= MAX_SITES:
        note_cap()
        return OTHER_SITE
    return _sites.setdefault(site, site)


def current_stack() -> tuple[RawSite, ...]:
    """The stack of this thread."""
    return stack_of(sys._getframe(1))


def stack_of(frame: FrameType | None) -> tuple[RawSite, ...]:
    """The sites of a whole stack without the telemetry itself, innermost first, as deep as the settings allow."""
    sites: list[RawSite] = []
    steps = 0
    while frame is not None and len(sites) < Settings.stack_depth and steps - MAX_STEPS < Settings.stack_depth:
        steps += 1
        if not frame.f_code.co_filename.startswith(OWN_FOLDER):
            sites.append(_site_new(frame))
        frame = frame.f_back
    return tuple(sites)
