"""Chooses the core: the C extension where it was built, else its pure-Python twin.

`THREAD_TELEMETRY_PURE=1` in the environment chooses the twin.
"""

from __future__ import annotations

import os
from time import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    # The twin is the type of both, so that no stub can drift from it.
    from . import _core_py as core
elif os.environ.get("THREAD_TELEMETRY_PURE", "") not in ("", "0"):
    from . import _core_py as core
else:
    try:
        import thread._core as core
    except ModuleNotFoundError:
        from . import _core_py as core

__all__ = ["BEGAN_AT", "core"]

BEGAN_AT: Final = time()
"""When this process began to record, in Unix seconds. A forked child begins later."""
