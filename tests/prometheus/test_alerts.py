"""Each alert fires on its fault, in a service that really has the fault, and no alert fires on a healthy one."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import alert_rules
import pytest
import yaml
from conftest import WaitUntil
from example_programs import EXAMPLES
from prometheus_server import Prometheus, running_prometheus

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


@contextmanager
def running(arguments: tuple[str, ...], errors: Path) -> Iterator[None]:
    """Run a program that must end at Ctrl-C, with its stderr in a file."""
    with (
        errors.open("w") as stderr,
        subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL, stderr=stderr) as process,
    ):
        try:
            yield
            process.send_signal(signal.SIGINT)
            process.wait(20)
        finally:
            process.kill()


def address(errors: Path) -> str | None:
    """Return the address of a program's metrics page, once it has printed it."""
    found = re.search(r"http://(\S+)/metrics", errors.read_text())
    return found and found[1]


def service(*faults: str) -> tuple[str, ...]:
    return "-m", "thread", "run", "--exporter", "prometheus", "--port", "0", str(EXAMPLES / "faults.py"), *faults


def configure(folder: Path, addresses: dict[str, str]) -> None:
    (folder / "rules.yml").write_text(yaml.safe_dump(alert_rules.faster(FASTER)))
    configuration = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules.yml"],
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": [address]}]} for job, address in addresses.items()
        ],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))


def fired(prometheus: Prometheus) -> dict[str, set[str]]:
    """Return the alerts that have ever fired for each job, each at most once for its only instance."""
    found: dict[str, set[str]] = defaultdict(set)
    for sample in prometheus.query('count by (job, alertname) (count_over_time(ALERTS{alertstate="firing"}[10m]))'):
        assert sample.value == 1, f"{sample.labels} is more than one page"
        found[sample.labels["job"]].add(sample.labels["alertname"])
    return found


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
        configure(tmp_path, {job: address(file) or "" for job, file in errors.items()})
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


def test_every_alert_has_a_fault_that_it_is_seen_on() -> None:
    assert {*FAULTS.values(), "PythonThreadTelemetryNotInstrumented"} == {each["alert"] for each in alert_rules.ALERTS}
