"""The parent of a forked child."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final


class ParentProcess:
    """The process with the given id. It may end before the child looks, as the parent of a daemon does."""

    def __init__(self, process: int) -> None:
        self._process: Final = process
        self._is_next: Final = os.getppid() == process

    @property
    def lives(self) -> bool:
        """True while the process runs. A zombie counts as ended only if it is the direct parent."""
        if self._is_next:
            return os.getppid() == self._process
        try:
            os.kill(self._process, 0)
        except ProcessLookupError:
            return False
        except OSError:
            pass
        return True
