"""From the creation of a lock to its identity."""

from __future__ import annotations

from types import FrameType
from typing import Final, TypeAlias

from .._inspection.naming import Step, describe_creation_site, describe_part, module_of
from ._code_info import info_of
from ._identities import Identity, identity_named, unobserved
from ._runtime import is_internal_error, is_untracked
from ._sites import frame_charged, passes_an_sdk, site_of_frame

CreationPath: TypeAlias = list[Step]
"""Calls from the program to the creation of a lock that the standard library makes for itself, innermost first."""

MAX_PATHS: Final = 64
"""Limit for each code object. A lock that is created over another path is described anew each time."""


def identity_created(kind: str, name: str | None, frame: FrameType) -> Identity:
    """The identity of a lock that the code of `frame` is creating."""
    try:
        if is_untracked() or info_of(frame.f_code).imports or passes_an_sdk(frame):
            return unobserved
        charged = frame_charged(frame) or frame
        if name is not None:
            _, filename, line = site_of_frame(charged)
            return identity_named(name, kind, f"{filename}:{line}", name)
        return _identity_of_frame(kind, charged, _creation_path(frame, charged))
    except Exception as error:
        if not is_internal_error(error):
            raise
        return unobserved


def _identity_of_frame(kind: str, charged: FrameType, path: CreationPath) -> Identity:
    identities = info_of(charged.f_code).identities
    # Not by the code objects, which are not to be kept alive, nor by their addresses, which others have later.
    key = (charged.f_lasti, kind, *[(code.co_filename, code.co_qualname, offset) for code, offset, _ in path])
    identity = identities.get(key)
    if identity is None:
        identity = _identity_described(kind, charged, path)
        if not path or len(identities) < MAX_PATHS:
            identities[key] = identity
    return identity


def _identity_described(kind: str, charged: FrameType, path: CreationPath) -> Identity:
    """`shop.jobs:Jobs._queue`, or `shop.jobs:Jobs._queue (Queue.mutex)` for a part of what was made there."""
    name, location = describe_creation_site(charged.f_code, charged.f_lasti, module_of(charged.f_globals))
    part = describe_part(path)
    return identity_named(name if part is None else f"{name} ({part})", kind, location, name)


def _creation_path(frame: FrameType | None, charged: FrameType) -> CreationPath:
    path: CreationPath = []
    while frame is not None and frame is not charged:
        if not info_of(frame.f_code).ours:
            path.append((frame.f_code, frame.f_lasti, module_of(frame.f_globals)))
        frame = frame.f_back
    return path
