"""Functions behave as the interpreter's, called well or badly."""

from __future__ import annotations

import sys

import pytest
from conformance.parity import beyond_python, check, over

needs_3_13 = pytest.mark.skipif(sys.version_info < (3, 13), reason="the interpreter has it since 3.13")

FUNCTIONS = """
    allocate_lock()
    allocate_lock(1)
    allocate_lock(1, 2)
    allocate_lock(None)
    repr(allocate_lock)
    allocate_lock.__name__
    allocate_lock.__qualname__
    allocate_lock.__module__
    hash(allocate_lock) == hash(allocate_lock)
    type('Keeper', (), {'make': allocate_lock})().make()
    type('Keeper', (), {'make': allocate_lock}).make()
    type('Keeper', (), {'make': allocate_lock})().make is allocate_lock
    type('Keeper', (), {'make': RLock})().make()
    type('Keeper', (), {'start': start_new_thread})().start(list, ()) > 0
    hasattr(allocate_lock, '__get__')
    pickle.loads(pickle.dumps(allocate_lock)) is allocate_lock
    repr(start_new_thread)
    start_new_thread.__name__
    start_new_thread.__qualname__
    start_new_thread.__module__
    pickle.loads(pickle.dumps(start_new_thread)) is start_new_thread
    start_new_thread()
    start_new_thread(print)
    start_new_thread(1, ())
    start_new_thread(None, ())
    start_new_thread('print', ())
    start_new_thread(print, [])
    start_new_thread(print, None)
    start_new_thread(print, 1)
    start_new_thread(print, 'a')
    start_new_thread(print, {})
    start_new_thread(print, (), [])
    start_new_thread(print, (), None)
    start_new_thread(print, (), 1)
    start_new_thread(print, (), ())
    start_new_thread(print, (), {}, 1)
    start_new_thread(1, [], [])
    start_new_thread(print, [], [])
    start_new_thread(list, ()) > 0
    start_new_thread(dict, (), {'a': 1}) > 0
    start_new_thread(dict, (), type('Dict', (dict,), {})()) > 0
    exit()
    exit(1)
    exit_thread()
    get_ident(1)
    get_ident() > 0
    get_native_id(1)
    interrupt_main('a')
    interrupt_main(-1)
    interrupt_main(1000)
    interrupt_main(1, 2)
    stack_size()
    stack_size(-1)
    stack_size(1)
    stack_size(4095)
    stack_size('a')
    stack_size(1, 2)
    _count(1)
    TIMEOUT_MAX
    error
    _local
    _local(1)
    _excepthook(1)
"""

SINCE_3_13 = """
    lock
    LockType is lock
    LockType()
    LockType.__new__(LockType)
    _ThreadHandle()
    repr(start_joinable_thread)
    start_joinable_thread.__name__
    start_joinable_thread.__module__
    start_joinable_thread(1)
    start_joinable_thread(print, 1)
    start_joinable_thread(print, [])
    start_joinable_thread(print, handle=1)
    start_joinable_thread(function=1)
    start_joinable_thread(list).join()
    start_joinable_thread(function=list).join()
    start_joinable_thread(list, None).join()
    start_joinable_thread(list, None, False).join()
    start_joinable_thread(list, handle=None, daemon=False).join()
    start_joinable_thread(list, handle=_ThreadHandle(), daemon=0).join()
    start_joinable_thread(list, None, Truthless())
    (handle := _ThreadHandle(), start_joinable_thread(list, handle) is handle, handle.join(), handle.is_done())[1:]
    (handle := _ThreadHandle(), start_joinable_thread(list, handle).join(), start_joinable_thread(list, handle))
    (handle := start_joinable_thread(list), handle.join(), handle.is_done(), handle.ident > 0)[1:]
    type(start_joinable_thread(list))
"""

# The wording is that of the calling convention, which is another here: the type of the error is compared.
# The wording is that of the calling convention, which is another here: the type of the error is compared.
FUNCTIONS_CALLED_WRONGLY = """
    allocate_lock(foo=1)
    allocate_lock(1, foo=1)
    start_new_thread(function=print, args=())
    start_new_thread(print, args=())
    start_new_thread(print, (), kwargs={})
    start_new_thread(print, (), foo=1)
    setattr(allocate_lock, 'foo', 1)
    allocate_lock.foo
"""

CALLED_WRONGLY_SINCE_3_13 = """
    start_joinable_thread()
    start_joinable_thread(list, foo=1)
    start_joinable_thread(list, None, True, 1)
"""

FUNCTIONS_WRITTEN_IN_C = """
    type(allocate_lock)
    type(start_new_thread)
    inspect.isbuiltin(allocate_lock)
    inspect.isroutine(allocate_lock)
    inspect.isroutine(start_new_thread)
    copy.copy(allocate_lock) is allocate_lock
    copy.deepcopy(allocate_lock) is allocate_lock
    copy.deepcopy(start_new_thread) is start_new_thread
    weakref.ref(allocate_lock)() is allocate_lock
    weakref.ref(start_new_thread)() is start_new_thread
    allocate_lock.__self__ is None
"""


@over(FUNCTIONS)
def test_a_function_behaves_as_the_interpreters(expression: str) -> None:
    check(expression)


@needs_3_13
@over(SINCE_3_13)
def test_what_3_13_added_behaves_as_the_interpreters(expression: str) -> None:
    check(expression)


@over(FUNCTIONS_CALLED_WRONGLY)
def test_a_function_called_wrongly_raises_the_same(expression: str) -> None:
    check(expression, only_types=True)


@needs_3_13
@over(CALLED_WRONGLY_SINCE_3_13)
def test_what_3_13_added_called_wrongly_raises_the_same(expression: str) -> None:
    check(expression, only_types=True)


@beyond_python
@over(FUNCTIONS_WRITTEN_IN_C)
def test_a_function_is_written_in_c(expression: str) -> None:
    check(expression)
