"""docs/metrics.md says what the code's lists say."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from thread_exporters._schema.attributes import ATTRIBUTES
from thread_exporters._schema.metrics import METRICS, HistogramMetric

ROOT = Path(__file__).parent.parent.parent
PAGE = ROOT / "docs" / "metrics.md"


def document(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts" / "document_metrics.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_the_page_is_what_the_code_says() -> None:
    checked = document("--check")
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_every_metric_and_every_attribute_is_on_the_page() -> None:
    text = PAGE.read_text()
    for metric in METRICS:
        _, section = text.split(f"\n### {metric.name}\n", 1)
        section = section.split("\n##", 1)[0]
        for expected in (metric.description, metric.prometheus_name, metric.unit, *metric.prometheus_labels):
            assert expected in section
        if isinstance(metric, HistogramMetric):
            assert [float(each) for each in re.findall(r"`([\d.e-]+)`", section.split("(`le`)")[1])] == list(
                metric.bounds
            )
    for attribute in ATTRIBUTES:
        assert f"| `{attribute.name}` |" in text
        assert attribute.description in text


def test_links_on_the_page_lead_somewhere() -> None:
    text = PAGE.read_text()
    anchors = {re.sub(r"[^\w\- ]", "", each).lower().replace(" ", "-") for each in re.findall(r"^#+ (.*)$", text, re.M)}
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= anchors
    for path in re.findall(r"\]\((\.\./[^)#]+)", text):
        assert (PAGE.parent / path).exists()


def test_a_page_that_is_out_of_date_is_told_and_written_anew(tmp_path: Path) -> None:
    page = tmp_path / "metrics.md"
    page.write_text(PAGE.read_text().replace("Threads currently running.", "Threads."))
    checked = document("--check", "--file", str(page))
    assert checked.returncode == 1
    assert checked.stderr == f"{page} is out of date: run `make docs`\n"
    assert "Threads currently running." not in page.read_text()
    assert document("--file", str(page)).returncode == 0
    assert page.read_text() == PAGE.read_text()


def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    refused = document("--file", str(tmp_path / "none" / "metrics.md"))
    assert refused.returncode == 2
    assert "expected a file in a folder that exists" in refused.stderr
