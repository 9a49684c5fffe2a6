"""The guard of whatever the telemetry does in a thread of the program: its own faults are counted and go no further."""

from __future__ import annotations

from ._backend import core
from ._interruptions import is_interruption


def is_fault(error: BaseException) -> bool:
    """Count an error inside the telemetry itself; False for what the program raised meanwhile, which has to reach it.

    except Exception as error:
        if not is_fault(error):
            raise
    """
    if is_interruption(error):
        return False
    core.count_fault()
    return True
