"""The process that a forked child comes from."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final


class ParentProcess:
    """The process that had the number `process`. It may be gone before the child looks, as that of a daemon."""

    def __init__(self, process: int) -> None:
        self._process: Final = process
        self._is_next: Final = os.getppid() == process

    @property
    def lives(self) -> bool:
        """Whether it runs. One that has ended and that nobody waited for is only told apart if nobody is in between."""
        if self._is_next:
            return os.getppid() == self._process
        try:
            os.kill(self._process, 0)
        except ProcessLookupError:
            return False
        except OSError:
            pass
        return True
