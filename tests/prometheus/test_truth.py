"""Ten panels of the boards, compared with a program that counts for itself."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from dashboard_queries import dashboard_queries
from dashboards.preview.stage import Pod, staged
from prometheus_server import Prometheus

pytestmark = [pytest.mark.prometheus, pytest.mark.timeout(300)]

PROGRAM = Path(__file__).parent.parent / "support" / "counted_orders.py"
SECONDS = 32
WARM_UP = 5.0
LEDGER = "__main__:Orders.ledger"
TOLERANCE = 0.02


@dataclass(frozen=True)
class Truth:
    """The counts of the program between two moments, of which Prometheus is asked at the second."""

    prometheus: Prometheus
    at: float
    counted: dict[str, float]
    threads: float

    def shown(self, board: str, panel: str, number: int = 0, **labels: str) -> float:
        """The value that a panel shows of what these labels say."""
        asked = dashboard_queries(LEDGER, rate_interval=f"{SECONDS}s", time_range=f"{SECONDS}s")
        expression = [each.expression for each in asked if (each.dashboard, each.panel) == (f"{board}.json", panel)]
        [value] = [
            sample.value
            for sample in self.prometheus.query(expression[number], self.at)
            if labels.items() <= sample.labels.items()
        ]
        return value


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Truth]:
    folder = tmp_path_factory.mktemp("truth")
    file = folder / "truth.jsonl"
    with staged(folder, [Pod("orders", "orders-0", (str(PROGRAM), str(file)))]) as stage:
        stage.play(WARM_UP + SECONDS + 2)
        lines = [json.loads(line) for line in re.findall(r"^\{.*\}$", file.read_text(), re.M)]
        # The last second may not be scraped yet.
        last = next(line for line in reversed(lines) if line["time"] < lines[-1]["time"] - 1.5)
        first = min(lines, key=lambda line: abs(line["time"] - (last["time"] - SECONDS)))
        scale = SECONDS / (last["time"] - first["time"])
        counted = {name: (last[name] - first.get(name, 0)) * scale for name in last}
        shown = [line["threads"] for line in lines if abs(line["time"] - last["time"]) < 1]
        yield Truth(stage.prometheus, last["time"], counted, sum(shown) / len(shown))


def test_the_program_did_as_it_was_meant_to(truth: Truth) -> None:
    assert truth.counted["rounds"] > SECONDS
    assert truth.counted["gave_up"] > SECONDS


def test_time_waited_for_the_lock(truth: Truth) -> None:
    shown = truth.shown("overview", "Top contended locks", python_lock_name=LEDGER)
    assert shown == pytest.approx(truth.counted["waited"], rel=TOLERANCE)
    everywhere = truth.shown("overview", "Time waited, by lock", python_lock_name=LEDGER)
    assert everywhere == pytest.approx(truth.counted["waited"] / SECONDS, rel=TOLERANCE)


def test_who_waits_for_whom_adds_up_to_it(truth: Truth) -> None:
    asked = dashboard_queries(LEDGER, time_range=f"{SECONDS}s")
    [blame] = [each.expression for each in asked if each.panel == "Who waits for whom"]
    shown = sum(sample.value for sample in truth.prometheus.query(blame, truth.at))
    assert shown == pytest.approx(truth.counted["waited"], rel=TOLERANCE)


def test_contentions_of_the_lock(truth: Truth) -> None:
    contended = truth.counted["waits"]
    shown = truth.shown("overview", "Top contended locks", 4, python_lock_name=LEDGER)
    assert shown == pytest.approx(contended, rel=TOLERANCE)
    assert truth.shown("lock", "Contentions") == pytest.approx(contended, rel=TOLERANCE)


def test_share_contended(truth: Truth) -> None:
    share = truth.counted["waits"] / truth.counted["acquired"]
    shown = truth.shown("overview", "Top contended locks", 5, python_lock_name=LEDGER)
    assert shown == pytest.approx(share, rel=TOLERANCE)


def test_time_outs(truth: Truth) -> None:
    assert truth.shown("lock", "Time-outs") == pytest.approx(truth.counted["gave_up"], rel=TOLERANCE)


def test_acquisitions_a_second(truth: Truth) -> None:
    shown = truth.shown("lock", "Acquisitions and contentions")
    assert shown == pytest.approx(truth.counted["acquired"] / SECONDS, rel=TOLERANCE)


def test_births_and_deaths_a_second(truth: Truth) -> None:
    couriers = truth.counted["couriers"] / SECONDS
    target = {"python_thread_target": "__main__:Orders.deliver"}
    assert truth.shown("threads", "Births, by target", **target) == pytest.approx(couriers, rel=TOLERANCE)
    assert truth.shown("threads", "Deaths, by target", **target) == pytest.approx(couriers, rel=TOLERANCE)


def test_unhandled_exceptions(truth: Truth) -> None:
    shown = truth.shown("overview", "Unhandled exceptions")
    assert shown == pytest.approx(truth.counted["couriers"], rel=TOLERANCE)
    [which] = truth.prometheus.query(f"sum(increase(python_thread_unhandled_exceptions_total[{SECONDS}s]))", truth.at)
    assert truth.shown("threads", "Which exceptions ended which threads") == pytest.approx(which.value, rel=TOLERANCE)


def test_running_threads(truth: Truth) -> None:
    assert truth.shown("overview", "Running threads") == pytest.approx(truth.threads, abs=1)


def test_tasks_submitted_and_finished(truth: Truth) -> None:
    name = "Tasks submitted and finished, by executor"
    invoices = {"python_executor_name": "invoices"}
    submitted, printed = truth.counted["invoices"] / SECONDS, truth.counted["printed"] / SECONDS
    assert truth.shown("overview", name, 0, **invoices) == pytest.approx(submitted, rel=TOLERANCE)
    assert truth.shown("overview", name, 1, **invoices) == pytest.approx(printed, rel=TOLERANCE)
