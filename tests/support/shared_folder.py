"""The folder that several processes share, written and read as their exporters do."""

from __future__ import annotations

from pathlib import Path

from handmade import snapshot_of_a_shop
from prometheus_client.parser import text_string_to_metric_families as parse

from thread.telemetry import Snapshot
from thread_exporters._schema.exemplars import Exemplars
from thread_exporters._schema.metrics import METRICS, Metric
from thread_exporters.prometheus._app import metrics_page
from thread_exporters.prometheus._multiprocess.aggregate import AllProcesses, all_processes
from thread_exporters.prometheus._multiprocess.process_files import ProcessFiles
from thread_exporters.prometheus._multiprocess.registry import registry_of_all

METRIC = {metric.name: metric for metric in METRICS}
OPENMETRICS = "application/openmetrics-text; version=1.0.0"
GONE = 400_000_000
"""Higher than the number of any process."""


def write(folder: Path, *, client_files: bool = False, snapshot: Snapshot | None = None) -> ProcessFiles:
    """Write the files of this process, with the numbers of the example shop."""
    files = ProcessFiles(str(folder), client_files=client_files)
    files.write(snapshot or snapshot_of_a_shop(), Exemplars())
    return files


def page(folder: Path, accept: str = "") -> str:
    """Return the metrics page of all processes of the folder."""
    return metrics_page(registry_of_all(str(folder)), accept)[0].decode()


def total(written: str, name: str) -> float:
    return sum(sample.value for family in parse(written) for sample in family.samples if sample.name == name)


def shows_the_shop(written: str) -> bool:
    return total(written, "python_lock_acquisitions_total") >= 2000


def value(everything: AllProcesses, metric: Metric) -> float:
    return sum(number for _, number in everything.samples().numbers(metric))  # type: ignore[arg-type]


def complaints(folder: Path) -> list[str]:
    """Return the lines that a reader of the folder would log."""
    return list(all_processes(str(folder)).complaints())
