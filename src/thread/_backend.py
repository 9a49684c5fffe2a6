"""Choice of the core: the C extension where it was built, else its twin in Python.

`THREAD_TELEMETRY_PURE=1` in the environment chooses the twin.
"""

from __future__ import annotations

import os

from ._base.resets import on_reset

TYPE_CHECKING = False
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

__all__ = ["began_at", "core"]

_began_at = core.time_ns() / 1e9


def began_at() -> float:
    """Start of recording in this process, in Unix seconds. A forked child starts when it is forked."""
    return _began_at


@on_reset
def _begin_anew() -> None:
    global _began_at
    _began_at = core.time_ns() / 1e9
