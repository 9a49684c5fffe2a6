"""Work that a forked child does once it shows that it lives on: it waits, or begins a session as daemons do.

Many children end at once or become another program, and should find themselves as alone as the parent left them. A
child that starts a thread waits for it. A child that never waits, starts no thread and is no daemon has little to
report.
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
"""Pending work, empty in most processes. Every wait looks here."""


def once_it_lives_on(step: Callable[[], object]) -> None:
    """Let the next thread that waits do this, unobserved. A second registration does nothing."""
    due[step] = None
    _beginning_of_a_session.put()


def do_what_is_due() -> None:
    """Do all pending work, each item once. Safe in any thread."""
    _beginning_of_a_session.undo()
    try:
        # Not before `try`: a signal handler that raises in between would leave this thread unobserved for ever.
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
