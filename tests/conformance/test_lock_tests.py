"""`test.lock_tests`, the interpreter's suite for locks and for all that is built over them."""

from __future__ import annotations

import sys

from conformance.published import (
    SUBJECT,
    does_not_apply,
    load_afresh,
    require_published,
    suite,
    threading_over_subject,
)

require_published("test.lock_tests")

threading = threading_over_subject()
lock_tests = load_afresh("test.lock_tests", _thread=SUBJECT, threading=threading)

# As the interpreter's own suites do, without staticmethod: kept by a class, allocate_lock must not bind.
LockTests = suite(lock_tests.LockTests, locktype=SUBJECT.allocate_lock)
RLockTests = suite(lock_tests.RLockTests, locktype=SUBJECT.RLock)

if sys.version_info >= (3, 13):
    LockTypeTests = suite(lock_tests.LockTests, locktype=SUBJECT.LockType)


class SubclassOfRLock(SUBJECT.RLock):  # type: ignore[misc, name-defined]
    """Classes that programs derive from RLock conform as well."""


SubclassOfRLockTests = suite(lock_tests.RLockTests, locktype=SubclassOfRLock)

ConditionTests = suite(lock_tests.ConditionTests, condtype=threading.Condition)
ConditionAsRLockTests = suite(
    lock_tests.RLockTests,
    locktype=threading.Condition,
    test_constructor_noargs=does_not_apply("a Condition takes a lock as its argument"),
    test_recursion_count=does_not_apply("a Condition shows no recursion count"),
)
EventTests = suite(lock_tests.EventTests, eventtype=threading.Event)
SemaphoreTests = suite(lock_tests.SemaphoreTests, semtype=threading.Semaphore)
BoundedSemaphoreTests = suite(lock_tests.BoundedSemaphoreTests, semtype=threading.BoundedSemaphore)
BarrierTests = suite(lock_tests.BarrierTests, barriertype=threading.Barrier)
