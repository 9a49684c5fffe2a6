"""The one place that registers steps for forks, and the order of these steps.

Before the fork, in the thread that forks:

  1. `making_way.make_way`: our threads end, if the program has no others.

In the parent:

  2. `making_way.come_back`: they start again.

In the child, which has only the thread that forked:

  3. The core, which registers by itself, forgets the parent's threads and starts from zero. So do the parts outside
     the core that are registered with `_base.resets`.
  4. `making_way.forget_all`: forgets our threads, which the child does not have.
  5. `_cli.activation`: the page that waits for its first visitor decides which process has the port.
  6. `telemetry`: makes sure that the recorder stops when `multiprocessing` ends the child.
  7. Libraries of exporters, which register by themselves, make their locks anew.
  8. `Recorder.after_fork_in_child`: gives exporters new workers. `register_last_in_child` keeps this step last.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

    Step = Callable[[], object]

_HAS_FORK: Final = hasattr(os, "register_at_fork")

_registered: Final[set[tuple[Step | None, ...]]] = set()
_last: Final[dict[Step, object]] = {}
"""The registration of each last step that is in force; earlier ones do nothing."""


def register(*, before: Step | None = None, in_parent: Step | None = None, in_child: Step | None = None) -> None:
    """Take these steps at every fork. A second call with the same steps does nothing."""
    steps = (before, in_parent, in_child)
    if not _HAS_FORK or steps in _registered:
        return
    _registered.add(steps)
    if before is not None:
        os.register_at_fork(before=before)
    if in_parent is not None:
        os.register_at_fork(after_in_parent=in_parent)
    if in_child is not None:
        os.register_at_fork(after_in_child=in_child)


def register_last_in_child(step: Step) -> None:
    """Take this step in children after all steps registered so far. Another call moves it to the end again."""
    if not _HAS_FORK:
        return
    registration = _last[step] = object()

    def take_if_last() -> None:
        if _last[step] is registration:
            step()

    os.register_at_fork(after_in_child=take_if_last)
