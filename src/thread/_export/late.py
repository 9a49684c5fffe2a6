"""Exporters, loaded and made when somebody needs them, since to import what they need takes long."""

from __future__ import annotations

from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

_waiting: Final[deque[Callable[[], object]]] = deque()


def load(reference: str) -> Any:
    """What a reference of the form `module:name` leads to. Raises ImportError or AttributeError."""
    module, _, name = reference.partition(":")
    # By `__import__`, since ours is not to be looked for where the program has its own modules.
    return getattr(__import__(module, fromlist=(name,)), name)


def make_late(make: Callable[[], object]) -> None:
    """Have an exporter made by `make`, which starts it, at the latest when somebody asks which exporters there are."""
    _waiting.append(make)


def make_now() -> None:
    """Make those that wait, each once. Safe in any thread."""
    while _waiting:
        try:
            make = _waiting.popleft()
        except IndexError:
            return
        make()
