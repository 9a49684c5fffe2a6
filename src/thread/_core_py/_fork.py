"""Start from zero in a forked child."""

from __future__ import annotations

import os

from . import _blocking, _events, _runtime, _thread_records, _waiters


def _after_fork_in_child() -> None:
    """First forget the threads of the parent, then what was counted of them."""
    for step in (
        _runtime.forget_other_threads,
        _waiters.forget_other_threads,
        _blocking.forget_other_threads,
        _thread_records.forget_other_threads,
        _events.renew_wakeup,
    ):
        _runtime.guarded(step)
    _runtime.reset()


os.register_at_fork(after_in_child=_after_fork_in_child)
