"""`test.lock_tests` over the semaphores of `threading`, observed: their methods are replaced, their meaning is not."""

from __future__ import annotations

import importlib
import threading

import pytest
from conformance.published import does_not_apply, require_published, suite

require_published("test.lock_tests")

lock_tests = importlib.import_module("test.lock_tests")
pytestmark = pytest.mark.usefixtures("instrumented")


class SubclassOfSemaphore(threading.Semaphore):
    """Classes that programs derive from Semaphore conform as well."""


SemaphoreTests = suite(lock_tests.SemaphoreTests, semtype=threading.Semaphore)
SubclassOfSemaphoreTests = suite(
    lock_tests.SemaphoreTests,
    semtype=SubclassOfSemaphore,
    test_repr=does_not_apply("expects the name of the class of the standard library"),
)
BoundedSemaphoreTests = suite(lock_tests.BoundedSemaphoreTests, semtype=threading.BoundedSemaphore)
