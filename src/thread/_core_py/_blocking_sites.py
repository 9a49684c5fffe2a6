"""Sites and kinds of waits for conditions, queues and the like."""

from __future__ import annotations

from types import FrameType

from .._inspection.naming import UNKNOWN_SITE, RawSite
from ._code_info import info_of
from ._frames import frames_from
from ._sites import site_of_frame


def blocking_of(kind: str, frame: FrameType, library: tuple[str, ...] | None) -> tuple[str, RawSite] | None:
    """Kind and site of a wait: of the outermost declared function between `frame` and the program, and its caller.

    Where nothing of the program runs, as in the thread of a timer, the site is the caller of that function. None: the
    wait is not to be recorded. A wait for an object that a library made, such as a connection pool, is charged to the
    caller of the library: frames of the library are passed over, all but the last one in the library's own threads.
    """
    waiting = next((each for each in frames_from(frame) if not info_of(each.f_code).ours), None)
    in_library = False
    for outer in frames_from(frame):
        info = info_of(outer.f_code)
        if library is not None and outer.f_code.co_filename.startswith(library):
            waiting, in_library = outer, True
        elif not info.internal:
            waiting = outer
            break
        elif not in_library:
            if info.of_an_sdk:
                return None
            if info.blocks is not None:
                kind, waiting = info.blocks, outer.f_back or waiting
    if not kind:
        return None
    return kind, UNKNOWN_SITE if waiting is None else site_of_frame(waiting)
