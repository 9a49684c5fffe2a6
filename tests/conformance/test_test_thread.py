"""`test.test_thread`, the interpreter's suite for `_thread`."""

from __future__ import annotations

import inspect
import unittest

from conformance.published import SUBJECT, load_afresh, require_published

require_published("test.test_thread")

test_thread = load_afresh("test.test_thread", _thread=SUBJECT)


def is_suite(value: object) -> bool:
    return inspect.isclass(value) and issubclass(value, unittest.TestCase)


globals().update(inspect.getmembers(test_thread, is_suite))


def test_the_suite_under_test_is_the_published_one() -> None:
    published = {"ThreadRunningTests", "BarrierTest", "LockTests", "TestForkInThread"}
    assert published <= set(globals())
    assert test_thread.thread is SUBJECT
