"""Multiple threads of control: the `thread` module, with every lock and thread observed.

The names are those of Python 2's `thread` and of `_thread` of the running interpreter, and so is their behaviour:

    try:
        import thread
    except ImportError:
        import _thread as thread

What was recorded is in `thread.telemetry`.
"""

import _thread
import sys
from _thread import (
    TIMEOUT_MAX,
    _count,
    _excepthook,
    _ExceptHookArgs,
    _local,
    error,
    exit,
    get_ident,
    get_native_id,
    interrupt_main,
    stack_size,
)

from ._backend import core as _backend_core

LockType = _backend_core.LockType
RLock = _backend_core.RLock
allocate_lock = _backend_core.allocate_lock
start_new_thread = _backend_core.start_new_thread

allocate = allocate_lock
start_new = start_new_thread
exit_thread = exit

if sys.version_info >= (3, 12):
    from _thread import _is_main_interpreter, daemon_threads_allowed

if sys.version_info >= (3, 13):
    from _thread import _get_main_thread_ident, _make_thread_handle, _shutdown, _ThreadHandle

    lock = LockType
    start_joinable_thread = _backend_core.start_joinable_thread
else:
    from _thread import _set_sentinel

if sys.version_info >= (3, 14):
    from _thread import _NAME_MAXLEN, _get_name, set_name

del sys
