"""The programs in examples/faults and examples/healthy: each faulty one is one page, and no healthy one is any."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path

import alert_rules
import pytest
from conftest import WaitUntil
from example_programs import EXAMPLES
from paged_programs import address, configure, fired, running
from prometheus_server import running_prometheus

pytestmark = pytest.mark.prometheus

FASTER = 10
"""A minute of the rules is six seconds of this test."""
LONG_ENOUGH = 95
"""Seconds after which a healthy program would have been paged for what a faulty one is."""

FAULTS = {
    "lock_order_deadlock": ("PythonLockWaitStuck", "Bank."),
    "pool_waits_for_itself": ("PythonExecutorStarved", "reports"),
    "convoy_in_bursts": ("PythonLockConvoy", "guard"),
    "permits_exhausted": ("PythonPermitsExhausted", "Pool.free"),
    "queue_pool_exhausted": ("PythonExecutorStarved", "requests"),
    "consumers_died": ("PythonWorkersGone", "consume"),
    "convoy_in_a_large_pool": ("PythonLockConvoy", "guard"),
    "lock_never_free": ("PythonLockNeverAcquired", "guard"),
    "future_never_done": ("PythonFutureNeverDone", "show_price"),
    "thread_leak": ("PythonThreadLeak", "wait_for_reply"),
}
"""For each program in examples/faults, its alert and what the description has to name."""

SEEN_IN_TEST_ALERTS = {
    "PythonThreadExceptionBurst",
    "PythonThreadTelemetryDropping",
    "PythonThreadTelemetryNotInstrumented",
}

PROGRAMS = {path.stem: path for folder in ("faults", "healthy") for path in (EXAMPLES / folder).glob("*.py")}


def program(path: Path) -> tuple[str, ...]:
    return "-m", "thread", "run", "--exporter", "prometheus", "--port", "0", str(path)


def test_every_fault_has_an_alert_and_every_alert_a_fault() -> None:
    assert {path.stem for path in (EXAMPLES / "faults").glob("*.py")} == FAULTS.keys()
    assert len(PROGRAMS) == 19
    assert {alert for alert, _ in FAULTS.values()} | SEEN_IN_TEST_ALERTS == {
        each["alert"] for each in alert_rules.ALERTS
    }


@pytest.mark.timeout(300)
def test_each_faulty_program_is_one_page_and_no_healthy_one_is_any(tmp_path: Path, wait_until: WaitUntil) -> None:
    with ExitStack() as stack:
        errors = {name: tmp_path / f"{name}.stderr" for name in PROGRAMS}
        for name, path in PROGRAMS.items():
            stack.enter_context(running(program(path), errors[name], ends=False, EXAMPLE_SPEED=str(FASTER)))
        wait_until(lambda: all(map(address, errors.values())), timeout=90)
        configure(tmp_path, {name: address(file) or "" for name, file in errors.items()}, FASTER)
        prometheus = stack.enter_context(running_prometheus(tmp_path))
        began = time.monotonic()
        named: dict[str, str] = {}

        def all_expected_have_fired() -> bool:
            named.update(
                (each["labels"]["job"], each["annotations"]["description"])
                for each in prometheus.alerts()
                if each["state"] == "firing"
            )
            now = fired(prometheus)
            return time.monotonic() - began >= LONG_ENOUGH and all(now[name] for name in FAULTS)

        try:
            wait_until(all_expected_have_fired, timeout=180)
        finally:
            print({job: sorted(alerts) for job, alerts in fired(prometheus).items()}, named)
        assert fired(prometheus) == {name: {alert} for name, (alert, _) in FAULTS.items()}
        assert [name for name, (_, culprit) in FAULTS.items() if culprit not in named[name]] == []
        assert {target["health"] for target in prometheus.targets()} == {"up"}
        assert {rule["health"] for rule in prometheus.rules()} == {"ok"}
