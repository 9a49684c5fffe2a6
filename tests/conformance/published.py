"""The interpreter's own published suites, unmodified, with our `thread` in place of `_thread`.

`THREAD_TELEMETRY_CONFORMANCE_REFERENCE=1` runs them against the interpreter's `_thread` instead: what fails there says
nothing about us.
"""

from __future__ import annotations

import _thread
import builtins
import importlib
import importlib.util
import os
import unittest
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import pytest

import thread

IS_REFERENCE = os.environ.get("THREAD_TELEMETRY_CONFORMANCE_REFERENCE", "") not in ("", "0")
SUBJECT: ModuleType = _thread if IS_REFERENCE else thread


def require_published(name: str) -> None:
    """Skip the module that calls this, and say why, where the interpreter was installed without its test suite."""
    pytest.importorskip(name, reason=f"{name} is not installed with this interpreter: conformance was NOT tested")


def load_afresh(name: str, **instead: ModuleType) -> ModuleType:
    """A second copy of a module of the standard library, whose own imports of `instead` find what is given there.

    Nothing else in the process sees the replacement, neither now nor while the copy runs.
    """
    spec = importlib.util.find_spec(name)
    assert spec is not None, f"there is no module {name}"
    assert spec.loader is not None, f"{name} cannot be loaded"
    module = importlib.util.module_from_spec(spec)

    def import_instead(
        imported: str, globals: Any = None, locals: Any = None, fromlist: Sequence[str] = (), level: int = 0
    ) -> ModuleType:
        if level == 0 and imported in instead:
            return instead[imported]
        return builtins.__import__(imported, globals, locals, fromlist, level)

    module.__dict__["__builtins__"] = {**vars(builtins), "__import__": import_instead}
    spec.loader.exec_module(module)
    return module


def threading_over_subject() -> ModuleType:
    """The interpreter's `threading`, built over our locks and threads."""
    return load_afresh("threading", _thread=SUBJECT)


def suite(published: type[unittest.TestCase], **attributes: object) -> type[unittest.TestCase]:
    """A published mixin with the types that it tests."""
    return type(published.__name__, (published,), {"__module__": published.__module__, **attributes})


def does_not_apply(reason: str) -> Any:
    """In place of a published test, so that the report shows what was left out and why."""
    return unittest.skip(reason)(lambda self: None)
