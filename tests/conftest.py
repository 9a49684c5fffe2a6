"""Fixtures of all tests. One run tests one core: the C extension, or its twin under `THREAD_TELEMETRY_PURE=1`."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Protocol

import pytest

GROUPS = ("suites", "prometheus", "services")
"""Marked tests that run by themselves, when they are asked for, and not with the others."""


def flag(name: str) -> bool:
    return os.environ.get(name, "") not in ("", "0")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the tests marked slow too")
    parser.addoption("--suites", action="store_true", help="run only the interpreter's own suites, observed")
    parser.addoption("--prometheus", action="store_true", help="run only the tests against a real Prometheus")
    parser.addoption("--services", action="store_true", help="run only the tests of real services")


def pytest_configure(config: pytest.Config) -> None:
    # Whatever a shell script starts in the background ignores Ctrl-C, and so do programs that it starts in turn.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)

    from thread._backend import core

    if flag("THREAD_TELEMETRY_REQUIRE_EXTENSION") and not flag("THREAD_TELEMETRY_PURE") and core.NAME != "c":
        raise pytest.UsageError("THREAD_TELEMETRY_REQUIRE_EXTENSION=1 asks for the C extension, but it is not built")


def pytest_report_header(config: pytest.Config) -> str:
    from thread._backend import core

    return f"core: {core.NAME}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--slow"):
        for item in items:
            if item.get_closest_marker("slow"):
                item.add_marker(pytest.mark.skip(reason="slow, runs with --slow"))
    wanted = next((group for group in GROUPS if config.getoption(f"--{group}")), None)
    left_out = [item for item in items if _group_of(item) != wanted]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)


def _group_of(item: pytest.Item) -> str | None:
    return next((group for group in GROUPS if item.get_closest_marker(group)), None)


@pytest.fixture
def core() -> Iterator[ModuleType]:
    """The core under test, at zero and with its default settings before the test and after it."""
    from thread._backend import core
    from thread._settings.table import for_core

    def restore() -> None:
        core.configure(**for_core({}), listening=False)
        core.reset()

    restore()
    yield core
    restore()


@pytest.fixture
def instrumented(core: ModuleType) -> Iterator[ModuleType]:
    """The core, while everything in this process is instrumented."""
    from thread._observed.instrument import instrument, uninstrument

    instrument()
    yield core
    uninstrument()


class WaitUntil(Protocol):
    def __call__(self, predicate: Callable[[], object], timeout: float = 10.0) -> None: ...


@pytest.fixture
def wait_until() -> WaitUntil:
    """Returns as soon as the predicate holds; fails the test when it does not within `timeout` seconds."""

    def wait_until(predicate: Callable[[], object], timeout: float = 10.0) -> None:
        deadline = time.monotonic() + timeout
        while not predicate():
            if time.monotonic() > deadline:
                pytest.fail(f"waited {timeout:g} s in vain for {getattr(predicate, '__qualname__', predicate)!s}")
            time.sleep(0.001)

    return wait_until


@pytest.fixture
def telemetry(core: ModuleType) -> Iterator[ModuleType]:
    """`thread.telemetry`: stopped, and with its default settings again, after the test."""
    from thread import telemetry

    default = telemetry.Settings()
    yield telemetry
    telemetry.stop()
    telemetry.configure(**{name: getattr(default, name) for name in default.__slots__})
