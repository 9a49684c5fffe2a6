"""From a frame to the identity of the locks created there, and to the site that a wait is charged to.

What a code object's places are called is worked out once and dropped with the code object, which is not kept alive.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from types import CodeType, FrameType
from typing import Final
from weakref import ref

from .._base.code_origin import OWN_FOLDER, is_internal, is_of_an_sdk
from .._inspection.naming import (
    IMPORT_SYSTEM,
    UNKNOWN_SITE,
    RawSite,
    Step,
    describe_part,
    describe_place,
    describe_site,
    module_of,
)
from ._records import Identity, identity_named, site_interned, unobserved
from ._state import Settings, is_internal_error, is_untracked


class _CodePlaces:
    """What is known of one code object."""

    __slots__ = ("blocks", "identities", "internal", "of_an_sdk", "reference", "sites")

    def __init__(self, code: CodeType) -> None:
        # Called with the reference, which serves as the default: no Python code runs when code goes.
        self.reference = ref(code, partial(_known.pop, id(code)))
        self.internal = is_internal(code.co_filename)
        self.of_an_sdk = is_of_an_sdk(code.co_filename)
        self.blocks: str | None = None
        self.identities: dict[tuple[object, ...], Identity] = {}
        self.sites: dict[int, RawSite] = {}


_known: dict[int, _CodePlaces] = {}

MAX_STEPS: Final = 500
"""Up a stack, looking for the program; a recursion of a library may be far deeper."""


def _frames_from(frame: FrameType | None) -> Iterator[FrameType]:
    """A frame and its callers, as far as anybody looks."""
    for _ in range(MAX_STEPS):
        if frame is None:
            return
        yield frame
        frame = frame.f_back


def _places_of(code: CodeType) -> _CodePlaces:
    places = _known.get(id(code))
    if places is None:
        places = _known[id(code)] = _CodePlaces(code)
    return places


def _charged(frame: FrameType | None) -> FrameType | None:
    """The nearest frame of the program itself, else the innermost."""
    for outer in _frames_from(frame):
        if not _places_of(outer.f_code).internal:
            return outer
    return frame


def _passes_an_sdk(frame: FrameType | None) -> bool:
    """Whether code of an SDK is on the way to the nearest frame of the program itself."""
    for outer in _frames_from(frame):
        places = _places_of(outer.f_code)
        if not places.internal:
            return False
        if places.of_an_sdk:
            return True
    return False


def serves_telemetry() -> bool:
    """Whether what this thread makes now is for telemetry: our own, or the SDK of a telemetry library."""
    try:
        return is_untracked() or _passes_an_sdk(sys._getframe(1))
    except Exception as error:
        if not is_internal_error(error):
            raise
        return False


def identity_created(kind: str, name: str | None, frame: FrameType) -> Identity:
    """The identity of a lock that is being created by the code of `frame`."""
    try:
        if is_untracked() or frame.f_code.co_filename.startswith(IMPORT_SYSTEM):
            return unobserved
        if _passes_an_sdk(frame):
            return unobserved
        charged = _charged(frame) or frame
        if name is not None:
            site = _site_at(charged)
            return identity_named(name, kind, f"{site[1]}:{site[2]}", name)
        return _identity_at(kind, charged, _route(frame, charged))
    except Exception as error:
        if not is_internal_error(error):
            raise
        return unobserved


MAX_ROUTES = 64
"""Of one code object; what comes by another one is described anew each time."""


def _identity_at(kind: str, charged: FrameType, route: list[Step]) -> Identity:
    places = _places_of(charged.f_code)
    key = (charged.f_lasti, kind, *[(code.co_filename, code.co_qualname, offset) for code, offset, _ in route])
    identity = places.identities.get(key)
    if identity is None:
        name, location = describe_place(charged.f_code, charged.f_lasti, module_of(charged.f_globals))
        part = describe_part(route)
        identity = identity_named(name if part is None else f"{name} ({part})", kind, location, name)
        if not route or len(places.identities) < MAX_ROUTES:
            places.identities[key] = identity
    return identity


def _route(frame: FrameType | None, charged: FrameType) -> list[Step]:
    """How the standard library came from the place to the creation of a lock of its own, innermost first."""
    steps: list[Step] = []
    while frame is not None and frame is not charged:
        if not frame.f_code.co_filename.startswith(OWN_FOLDER):
            steps.append((frame.f_code, frame.f_lasti, module_of(frame.f_globals)))
        frame = frame.f_back
    return steps


def site_charged(frame: FrameType | None) -> RawSite:
    """The site that the innermost code of the program is at."""
    charged = _charged(frame)
    return UNKNOWN_SITE if charged is None else _site_at(charged)


def mark_blocking(code: CodeType, kind: str, /) -> None:
    """Declare what code waits for when it blocks; an empty kind: that is not to be recorded."""
    if not isinstance(code, CodeType):
        raise TypeError(f"expected a code object, got {type(code).__name__}")
    _places_of(code).blocks = kind


def blocking_of(kind: str, frame: FrameType, library: tuple[str, ...] | None = None) -> tuple[str, RawSite] | None:
    """What the outermost function on the way from the program to `frame` waits for, and where the program called it.

    Where nothing of the program runs, as in the thread of a timer, the site is what called that function. None if that
    wait is not to be recorded. What was made by a library, whose code is in these folders, as a connection pool is, is
    waited for by whoever called the library: its own frames are passed over, or in its own threads all but the last.
    """
    waiting = next((each for each in _frames_from(frame) if not each.f_code.co_filename.startswith(OWN_FOLDER)), None)
    in_library = False
    for outer in _frames_from(frame):
        places = _places_of(outer.f_code)
        if library is not None and outer.f_code.co_filename.startswith(library):
            waiting, in_library = outer, True
        elif not places.internal:
            waiting = outer
            break
        elif not in_library:
            if places.of_an_sdk:
                return None
            if places.blocks is not None:
                kind, waiting = places.blocks, outer.f_back or waiting
    if not kind:
        return None
    return kind, UNKNOWN_SITE if waiting is None else _site_at(waiting)


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
            sites.append(describe_site(frame.f_code, frame.f_lasti, module_of(frame.f_globals)))
        frame = frame.f_back
    return tuple(sites)


def _site_at(frame: FrameType) -> RawSite:
    sites = _places_of(frame.f_code).sites
    site = sites.get(frame.f_lasti)
    if site is None:
        described = describe_site(frame.f_code, frame.f_lasti, module_of(frame.f_globals))
        site = sites[frame.f_lasti] = site_interned(described)
    return site
