"""The guard of whatever the telemetry does in a thread of the program: its own faults are counted and go no further."""

from __future__ import annotations

from .._backend import core
from .._base.interruptions import is_interruption

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def is_internal_error(error: BaseException) -> bool:
    """Count an error inside the telemetry itself; False for what the program raised meanwhile, which has to reach it.

    except Exception as error:
        if not is_internal_error(error):
            raise
    """
    if is_interruption(error):
        return False
    core.count_internal_error()
    return True


def guarded(call: Callable[..., Any], *arguments: Any, otherwise: Any = None) -> Any:
    """What a function of the telemetry returns; `otherwise` if it fails."""
    try:
        return call(*arguments)
    except Exception as error:
        if not is_internal_error(error):
            raise
        return otherwise
