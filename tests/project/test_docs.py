"""The documentation: that links lead somewhere, and that what it says of names and defaults is what the code has."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from dashboard_queries import dashboards, panels
from documentation import DOCS, ROOT, CodeBlock, code_blocks, images, links, markdown_files, problem, prose
from otlp_receiver import OtlpReceiver

from thread_exporters._schema.metrics import METRICS

MOST_BYTES_OF_A_PICTURE = 150_000

FILES = markdown_files()
PROGRAMS = [
    block
    for file in (ROOT / "README.md", *sorted(DOCS.glob("*.md")))
    for block in code_blocks(file)
    if block.language == "python"
]

# Recording rules have colons, and series of Prometheus itself do not begin so.
METRIC = re.compile(r"(?<![\w:./])python_(?:thread|lock|blocking|executor)_\w+(?![\w:*…])")
LABELS = {label for metric in METRICS for label in metric.prometheus_labels}
PARTS = {"histogram": ("", "_bucket", "_count", "_sum")}
SERIES = {metric.prometheus_name + part for metric in METRICS for part in PARTS.get(metric.instrument, ("",))}


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_links_lead_somewhere(file: Path) -> None:
    assert [wrong for link in links(file) if (wrong := problem(link)) is not None] == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_metrics_that_are_named_exist(file: Path) -> None:
    named = set(METRIC.findall(file.read_text(encoding="utf-8")))
    families = {name for name in named if name.endswith("_") and any(each.startswith(name) for each in SERIES)}
    assert named - families - SERIES - LABELS == set()


def test_every_page_is_in_the_index() -> None:
    indexed = {link.target for link in links(DOCS / "README.md")}
    assert {page.name for page in DOCS.glob("*.md")} - {"README.md"} <= indexed


def test_the_readme_leads_to_the_documentation() -> None:
    assert "docs/README.md" in {link.target for link in links(ROOT / "README.md")}


def test_pictures_are_small_described_and_shown() -> None:
    shown = [picture for file in FILES for picture in images(file)]
    assert [str(picture) for picture in shown if len(picture.text) < 40] == []
    paths = {(picture.file.parent / picture.target).resolve() for picture in shown}
    files = {path for path in (DOCS / "pictures").iterdir() if path.suffix in (".png", ".svg")}
    assert paths == files
    assert [path.name for path in files if path.stat().st_size > MOST_BYTES_OF_A_PICTURE] == []


def test_every_variable_that_the_help_explains_is_in_the_documentation() -> None:
    shown = subprocess.run(
        [sys.executable, "-m", "thread", "run", "--help"], capture_output=True, text=True, timeout=60, check=True
    )
    explained = set(re.findall(r"\bTHREAD_[A-Z_]+", shown.stdout))
    assert explained
    assert explained <= set(re.findall(r"\bTHREAD_[A-Z_]+", prose(DOCS / "installing.md")))


@pytest.mark.parametrize(("heading", "board"), [("Overview", "overview"), ("Lock", "lock"), ("Threads", "threads")])
def test_panels_that_are_explained_exist(heading: str, board: str) -> None:
    [section] = re.findall(rf"^## {heading}\n(.*?)(?=^## )", prose(DOCS / "dashboards.md"), re.M | re.S)
    explained = re.findall(r"^\| \*\*(.+?)\*\* \|", section, re.M)
    assert explained
    assert set(explained) <= {panel["title"] for panel in panels(dashboards()[f"{board}.json"])}


@pytest.mark.parametrize("block", PROGRAMS, ids=str)
def test_python_runs_as_it_stands(block: CodeBlock, tmp_path: Path) -> None:
    """Run each block as a program. Blocks with flags need a library of that name; `no-run` needs what no test can
    have."""
    compile(block.text, str(block), "exec")
    if "no-run" in block.flags:
        return
    for library in block.flags:
        if find_spec(library) is None:
            pytest.skip(f"{library} is not installed")
    program = tmp_path / "program.py"
    program.write_text(block.text)
    command = [sys.executable, "-W", "error", str(program)]
    with OtlpReceiver() as receiver:
        environment = os.environ | {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint, "THREAD_TELEMETRY_PORT": "0"}
        ran = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stderr) == (0, "")
    if "opentelemetry" in block.flags:
        assert receiver.metrics()


def test_the_change_that_is_shown_can_be_made(tmp_path: Path) -> None:
    [diff] = [block.text for block in code_blocks(DOCS / "diagnosing.md") if block.language == "diff"]
    removed, added = (
        "".join(line[1:] for line in diff.splitlines(keepends=True)[3:] if line[0] in " " + sign) for sign in "-+"
    )
    source = (ROOT / "examples" / "shop" / "cache.py").read_text()
    assert source.count(removed) == 1
    compile(source.replace(removed, added), "cache.py", "exec")
