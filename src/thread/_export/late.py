"""Exporters that are loaded and made when somebody needs them, since their imports take long."""

from __future__ import annotations

from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

_waiting: Final[deque[Callable[[], object]]] = deque()


def load(reference: str) -> Any:
    """The object with a reference of the form `module:name`. Raises ImportError or AttributeError."""
    module, _, name = reference.partition(":")
    # By `__import__`: ours is not to be looked for among the program's own modules.
    return getattr(__import__(module, fromlist=(name,)), name)


def make_late(make: Callable[[], object]) -> None:
    """Let `make` create and start an exporter, at the latest when somebody asks which exporters there are."""
    _waiting.append(make)


def make_now() -> None:
    """Make the waiting exporters, each once. Safe in any thread."""
    while _waiting:
        try:
            make = _waiting.popleft()
        except IndexError:
            return
        make()
