"""Multiple threads of control: the `thread` module, with every lock and thread observed.

Names and behaviour are those of Python 2's `thread` and of the running interpreter's `_thread`:

    try:
        import thread
    except ImportError:
        import _thread as thread

`thread.telemetry` has the records.
"""

import _thread
import sys

from . import _own_modules  # noqa: F401
from ._backend import core as _backend_core
from ._module import ThreadModule as _ThreadModule

TIMEOUT_MAX = _thread.TIMEOUT_MAX
_ExceptHookArgs = _thread._ExceptHookArgs
_count = _thread._count
_excepthook = _thread._excepthook
_local = _thread._local
error = _thread.error
exit = _thread.exit
get_ident = _thread.get_ident
get_native_id = _thread.get_native_id
interrupt_main = _thread.interrupt_main
stack_size = _thread.stack_size

LockType = _backend_core.LockType
RLock = _backend_core.RLock
allocate_lock = _backend_core.allocate_lock
start_new_thread = _backend_core.start_new_thread

allocate = allocate_lock
start_new = start_new_thread
exit_thread = exit

if sys.version_info >= (3, 12):
    _is_main_interpreter = _thread._is_main_interpreter  # type: ignore[attr-defined]
    daemon_threads_allowed = _thread.daemon_threads_allowed

if sys.version_info >= (3, 13):
    _ThreadHandle = _thread._ThreadHandle
    _get_main_thread_ident = _thread._get_main_thread_ident  # type: ignore[attr-defined]
    _make_thread_handle = _thread._make_thread_handle  # type: ignore[attr-defined]
    _shutdown = _thread._shutdown  # type: ignore[attr-defined]
    lock = LockType
    start_joinable_thread = _backend_core.start_joinable_thread
else:
    _set_sentinel = _thread._set_sentinel  # type: ignore[attr-defined]

if sys.version_info >= (3, 14):
    _NAME_MAXLEN = _thread._NAME_MAXLEN  # type: ignore[attr-defined]
    _get_name = _thread._get_name  # type: ignore[attr-defined]
    set_name = _thread.set_name

sys.modules[__name__].__class__ = _ThreadModule

del _ThreadModule, _thread, sys
