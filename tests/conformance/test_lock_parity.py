"""Locks behave as the interpreter's, called well or badly."""

from __future__ import annotations

import gc
import sys
import weakref
from typing import Any

import pytest
from conformance.parity import beyond_python, check, derived, over
from conformance.published import SUBJECT

ACQUIRING = """
    lock.acquire()
    lock.acquire(0)
    lock.acquire(1)
    lock.acquire(2)
    lock.acquire(None)
    lock.acquire('a')
    lock.acquire('')
    lock.acquire(1.5)
    lock.acquire([])
    lock.acquire(True, -1)
    lock.acquire(True, -1.0)
    lock.acquire(1, -5)
    lock.acquire(True, -0.5)
    lock.acquire(False, 5)
    lock.acquire(False, 0)
    lock.acquire(False, -1)
    lock.acquire(False, -5)
    lock.acquire(False, 'a')
    lock.acquire(True, 0)
    lock.acquire(True, 0.001)
    lock.acquire(True, True)
    lock.acquire(True, 'a')
    lock.acquire(True, None)
    lock.acquire(True, 1e100)
    lock.acquire(True, -1e100)
    lock.acquire(True, 10**30)
    lock.acquire(True, float('inf'))
    lock.acquire(True, float('nan'))
    lock.acquire(True, TIMEOUT_MAX)
    lock.acquire(True, TIMEOUT_MAX + 1)
    lock.acquire(blocking=False)
    lock.acquire(blocking='a')
    lock.acquire(timeout=-1)
    lock.acquire(timeout=-5)
    lock.acquire(timeout=0)
    lock.acquire(timeout='a')
    lock.acquire(blocking=False, timeout=5)
    lock.acquire(True, timeout=0.001)
    lock.acquire(Truthless())
    lock.acquire(True, Truthless())
    (lock.acquire(), lock.acquire(False))
    (lock.acquire(), lock.acquire(True, 0))
    (lock.acquire(), lock.acquire(True, 0.001))
    (lock.acquire(), lock.acquire(timeout=0.001))
    (lock.acquire(), in_a_thread(lock.acquire, False))
    (lock.acquire(), in_a_thread(lock.acquire, True, 0.001))
    (lock.acquire(), in_a_thread(lock.acquire, False, 5))
    (lock.acquire(), in_a_thread(lock.acquire, True, -5))
"""

RELEASING = """
    lock.release()
    (lock.acquire(), lock.release())
    (lock.acquire(), lock.release(), lock.release())
    lock.__enter__()
    lock.__exit__(None, None, None)
    (lock.__enter__(), lock.__exit__(None, None, None))
    (lock.__enter__(), lock.__exit__(None, None, None), lock.__exit__(None, None, None))
    lock._at_fork_reinit()
    (lock.acquire(), lock._at_fork_reinit(), lock.acquire(False))
"""

# Since 3.15 the interpreter wants three arguments; ours take any number on each version.
ANY_NUMBER_TO_EXIT = """
    lock.__exit__(None, None, None)
    lock.__exit__(None)
    (lock.__enter__(), lock.__exit__())
    (lock.__enter__(), lock.__exit__(1, 2))
    (lock.__enter__(), lock.__exit__(None, None, None, None))
"""

BEING_A_LOCK = """
    repr(lock)
    str(lock)
    (lock.acquire(), repr(lock))
    (lock.acquire(), lock.release(), repr(lock))
    lock.foo
    setattr(lock, 'foo', 1)
    setattr(lock, 'acquire', 1)
    delattr(lock, 'acquire')
    lock.__dict__
    lock.__class__
    vars(lock)
    lock == lock
    lock == type_of_lock
    lock < lock
    lock()
    len(lock)
    iter(lock)
    bool(lock)
    hash(lock) == hash(lock)
    {lock: 1}[lock]
    format(lock, 'x')
    pickle.dumps(lock)
    lock.__reduce_ex__(2)
    lock.__reduce_ex__(4)
    copy.copy(lock)
    copy.deepcopy(lock)
    weakref.ref(lock)() is lock
    weakref.getweakrefcount(lock)
    weakref.proxy(lock).acquire()
    isinstance(lock, type_of_lock)
    type(lock) is type_of_lock
    type_of_lock.acquire(lock)
    lock.__init__()
    lock.__sizeof__() > 0
    lock.acquire.__self__ is lock
    lock.acquire.__name__
    lock.acquire == lock.acquire
    repr(type_of_lock)
    type_of_lock.__name__
    type_of_lock.__qualname__
    type_of_lock.__module__
    type_of_lock | None
    type_of_lock[int]
    issubclass(type_of_lock, object)
"""

ONLY_LOCK = """
    lock.acquire_lock(True, -5)
    (lock.acquire_lock(), lock.locked_lock(), lock.release_lock())
    lock.release_lock()
    lock.locked()
    (lock.acquire(), lock.locked())
    type('Lock', (type_of_lock,), {})
    type('Lock', (type_of_lock,), {}, foo=1)
    type_of_lock(1)
    type_of_lock(foo=1)
    type_of_lock(1, foo=1)
    (lock.acquire(), start_new_thread(lock.release, ()) > 0, lock.acquire())
"""

ONLY_RLOCK = """
    RLock()
    RLock(1)
    RLock(1, 2)
    RLock(foo=1)
    RLock(1, foo=1)
    RLock.__new__(RLock)
    (lock.acquire(), lock.acquire(), lock.release(), lock.release(), lock.release())
    (lock.acquire(), lock.acquire(), repr(lock))
    (lock.acquire(), lock.acquire(), in_a_thread(lock.acquire, False), in_a_thread(lock.release))
    (lock.acquire(), in_a_thread(lock._is_owned), in_a_thread(lock._recursion_count), in_a_thread(repr, lock))
    (lock.acquire(), in_a_thread(lambda: lock._release_save()[0]), lock._is_owned())
    (in_a_thread(lock.acquire), lock.acquire(False), lock._is_owned(), lock._recursion_count())
    lock._release_save()
    (lock.acquire(), lock.acquire(), lock._release_save()[0], lock._recursion_count())
    (lock.acquire(), lock._release_save()[1] == get_ident())
    (lock.acquire(), type(lock._release_save()))
    (lock._acquire_restore((3, get_ident())), lock._recursion_count(), lock._is_owned())
    (lock.acquire(), state := lock._release_save(), lock._acquire_restore(state), lock._recursion_count())[2:]
    lock.locked()
    (lock.acquire(), lock.locked())
    (lock.acquire(), lock._at_fork_reinit(), lock._recursion_count(), repr(lock))
    lock.acquire_lock()
    derived(lock)
    derived(lock)()
    derived(lock, __module__='shop')()
    derived(lock)(1)
    derived(lock)(foo=1)
    derived(lock, __init__=lambda self, size: setattr(self, 'size', size))(7).size
    derived(lock, __init__=lambda self, *, size: None)(size=7).acquire()
    vars(derived(lock)())
    derived(lock, __slots__=('size',))().acquire()
    derived(lock, __slots__=('size',))().__dict__
    pickle.dumps(derived(lock)())
    copy.copy(derived(lock)())
    derived(lock, acquire=lambda self: 'mine')().acquire()
    derived(lock, acquire=lambda self: 'mine')().__enter__()
    derived(lock, release=lambda self: 'mine')().__exit__(None, None, None)
    weakref.ref(derived(lock)())
    isinstance(derived(lock)(), type_of_lock)
    type('Both', (RLock, dict), {})
"""

# How a call is refused that does not fit the signature is worded by the calling convention, which is another here:
# the type of the error is compared.
CALLED_WRONGLY = """
    lock.acquire(True, -1, 1)
    lock.acquire(True, blocking=True)
    lock.acquire(foo=1)
    lock.acquire(True, foo=1)
    lock.release(1)
    lock.release(foo=1)
    lock.__exit__(foo=1)
    lock._at_fork_reinit(1)
    type_of_lock.acquire()
"""

LOCK_CALLED_WRONGLY = """
    lock.locked(1)
    lock.locked_lock(1)
    lock.locked(foo=1)
    lock.acquire_lock(foo=1)
"""

RLOCK_CALLED_WRONGLY = """
    RLock.__new__()
    RLock.__new__(1)
    RLock(**{'1': 2})
    lock.locked(1)
    lock._is_owned(1)
    lock._recursion_count(1)
    lock._release_save(1)
    lock._acquire_restore()
    lock._acquire_restore(1)
    lock._acquire_restore(None)
    lock._acquire_restore(1, 2)
    lock._acquire_restore((1, 2), 3)
"""

WRITTEN_IN_C = """
    setattr(type_of_lock, 'foo', 1)
    setattr(type_of_lock, 'acquire', 1)
    setattr(type_of_lock, '__module__', 'a')
    delattr(type_of_lock, 'acquire')
    type_of_lock.acquire(1)
    type_of_lock.release(1)
    type_of_lock.__enter__(1)
    type_of_lock.__mro__
    type_of_lock.__bases__
    isinstance(type_of_lock, type)
    object.__new__(type_of_lock)
    lock.__init__(1)
    lock.__getstate__()
    lock.acquire.__qualname__
    lock.acquire.__module__
    type(lock.acquire)
    repr(lock.acquire)
    repr(type_of_lock.acquire)
"""

STATES_READ_BY_C = """
    lock._acquire_restore(())
    lock._acquire_restore((1,))
    lock._acquire_restore((1, 2, 3))
    lock._acquire_restore(('a', 'b'))
"""


@over(ACQUIRING, RELEASING, BEING_A_LOCK, ONLY_LOCK)
def test_a_lock_behaves_as_the_interpreters(expression: str) -> None:
    check(expression, "allocate_lock")


@over(ACQUIRING, RELEASING, BEING_A_LOCK, ONLY_RLOCK)
def test_an_rlock_behaves_as_the_interpreters(expression: str) -> None:
    check(expression, "RLock")


@pytest.mark.skipif(sys.version_info >= (3, 15), reason="the interpreter took any number until 3.14")
@pytest.mark.parametrize("kind", ["allocate_lock", "RLock"])
@over(ANY_NUMBER_TO_EXIT)
def test_exit_takes_any_number_of_arguments(expression: str, kind: str) -> None:
    check(expression, kind)


@over(CALLED_WRONGLY, LOCK_CALLED_WRONGLY)
def test_a_lock_called_wrongly_raises_the_same(expression: str) -> None:
    check(expression, "allocate_lock", only_types=True)


@over(CALLED_WRONGLY, RLOCK_CALLED_WRONGLY)
def test_an_rlock_called_wrongly_raises_the_same(expression: str) -> None:
    check(expression, "RLock", only_types=True)


@beyond_python
@over(WRITTEN_IN_C)
def test_a_lock_is_written_in_c(expression: str) -> None:
    check(expression, "allocate_lock")


@beyond_python
@over(WRITTEN_IN_C)
def test_an_rlock_is_written_in_c(expression: str) -> None:
    check(expression, "RLock")


@beyond_python
@over(STATES_READ_BY_C)
def test_an_rlock_restored_to_a_bad_state_raises_the_same(expression: str) -> None:
    check(expression, "RLock", only_types=True)


@pytest.mark.parametrize("name", ["LockType", "RLock"])
def test_locks_leave_when_the_last_reference_does(name: str) -> None:
    make = SUBJECT.allocate_lock if name == "LockType" else SUBJECT.RLock
    lock = make()
    gone: list[Any] = []
    reference = weakref.ref(lock, gone.append)
    del lock
    assert reference() is None
    assert gone == [reference]


def test_a_cycle_through_a_subclass_of_rlock_is_collected() -> None:
    lock = derived(SUBJECT.RLock())()
    lock.itself = lock
    reference = weakref.ref(lock)
    del lock
    gc.collect()
    assert reference() is None


def test_a_method_keeps_its_lock_alive() -> None:
    acquire = SUBJECT.allocate_lock().acquire
    gc.collect()
    assert acquire()
    assert not acquire(False)
