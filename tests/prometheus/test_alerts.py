"""Each alert fires on its fault, in a service that really has the fault, and no alert fires on a healthy one."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest
from conftest import WaitUntil
from example_programs import EXAMPLES
from paged_programs import address, configure, fired, running
from prometheus_server import running_prometheus

pytestmark = pytest.mark.prometheus

FASTER = 60
"""Time factor: a minute in the rules is a second in this test."""

FAULTS = {
    "convoy": "PythonLockConvoy",
    "stuck": "PythonLockWaitStuck",
    "leak": "PythonThreadLeak",
    "exceptions": "PythonThreadExceptionBurst",
    "starvation": "PythonExecutorStarved",
    "dropping": "PythonThreadTelemetryDropping",
}

FORGOT_TO_INSTRUMENT = """
import sys, threading
from thread import telemetry
from thread_exporters.prometheus import PrometheusExporter

exporter = PrometheusExporter(port=0)
telemetry.start(exporter)
print(exporter.url, file=sys.stderr, flush=True)
threading.Thread(target=threading.Event().wait, daemon=True).start()
threading.Event().wait()
"""


def service(*faults: str) -> tuple[str, ...]:
    return "-m", "thread", "run", "--exporter", "prometheus", "--port", "0", str(EXAMPLES / "faults.py"), *faults


@pytest.mark.timeout(240)
def test_each_fault_is_one_page_and_a_healthy_service_is_none(tmp_path: Path, wait_until: WaitUntil) -> None:
    programs = {
        "healthy": service(),
        **{fault: service(fault) for fault in FAULTS},
        "forgot to instrument": ("-c", FORGOT_TO_INSTRUMENT),
    }
    expected = {
        **{fault: {alert} for fault, alert in FAULTS.items()},
        "forgot to instrument": {"PythonThreadTelemetryNotInstrumented"},
    }
    with ExitStack() as stack:
        errors = {job: tmp_path / f"{job}.stderr" for job in programs}
        for job, program in programs.items():
            stack.enter_context(running(program, errors[job]))
        wait_until(lambda: all(map(address, errors.values())), timeout=60)
        configure(tmp_path, {job: address(file) or "" for job, file in errors.items()}, FASTER)
        prometheus = stack.enter_context(running_prometheus(tmp_path))

        def all_expected_have_fired() -> bool:
            now = fired(prometheus)
            return all(alerts <= now[job] for job, alerts in expected.items())

        try:
            wait_until(all_expected_have_fired, timeout=150)
        finally:
            print({job: sorted(alerts) for job, alerts in fired(prometheus).items()})
        assert fired(prometheus) == expected
        assert {target["health"] for target in prometheus.targets()} == {"up"}
        assert {rule["health"] for rule in prometheus.rules()} == {"ok"}
        [stuck] = [alert for alert in prometheus.alerts() if alert["labels"]["alertname"] == "PythonLockWaitStuck"]
        assert "stuck.connection_guard" in stuck["annotations"]["description"]
