"""What a forked child does once it shows that it lives on: it waits for something, or begins a session as daemons do.

Many a child ends at once or becomes another program, and is to find itself as alone as its parent left it. One that
starts a thread waits for that. One that waits for nothing, starts no thread and is no daemon has little to tell.
"""

from __future__ import annotations

import os
from functools import wraps

from .._backend import core
from .._process.guards import guarded
from .replacing import Replacement, Replacements

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

due: Final[dict[Callable[[], object], None]] = {}
"""What to do then. Whoever waits looks into this; it is empty wherever nothing is due."""


def once_it_lives_on(step: Callable[[], object]) -> None:
    """Have something done by whoever waits next, as the telemetry's own. The same thing twice is once."""
    due[step] = None
    _beginning_of_a_session.put()


def do_what_is_due() -> None:
    """Do it, each thing once. Safe in any thread."""
    _beginning_of_a_session.undo()
    try:
        # Not before: a signal handler that raises in between would leave this thread hidden for ever.
        core.enter_untracked()
        while due:
            try:
                step, _ = due.popitem()
            except KeyError:
                return
            step()
    finally:
        core.leave_untracked()


def _observed_setsid(original: Any) -> Any:
    @wraps(original)
    def setsid() -> None:
        original()
        guarded(do_what_is_due)

    return setsid


_beginning_of_a_session: Final = Replacements(
    [Replacement(os, "setsid", _observed_setsid(os.setsid))] if hasattr(os, "setsid") else []
)
