"""Guards around our code in threads of the program: our errors are counted and go no further."""

from __future__ import annotations

from .._backend import core
from .._base.interruptions import is_interruption

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def is_internal_error(error: BaseException) -> bool:
    """Count an internal error. False for an exception of the program that interrupted us, which must reach it.

    except Exception as error:
        if not is_internal_error(error):
            raise
    """
    if is_interruption(error):
        return False
    core.count_internal_error()
    return True


def guarded(call: Callable[..., Any], *arguments: Any, otherwise: Any = None) -> Any:
    """Return the result of one of our functions, or `otherwise` if it fails."""
    try:
        return call(*arguments)
    except Exception as error:
        if not is_internal_error(error):
            raise
        return otherwise
