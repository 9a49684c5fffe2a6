"""The documentation site: built strictly, with every public name, and with nothing from another host."""

from __future__ import annotations

import subprocess
import sys
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from urllib.parse import urldefrag, urlsplit

import pytest
from documentation import ROOT

from thread import telemetry

EXPORTERS = ("console", "instrumentor", "otel_metrics", "otlp", "prometheus", "spans")
LOADS = {"img": "src", "link": "href", "script": "src", "source": "src"}
"""Attributes of elements whose target a browser loads without a click."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


class Page(HTMLParser):
    """The anchors of a page, its links, and what a browser loads for it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: set[str] = set()
        self.loaded: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.anchors.add(attributes.get("id") or "")
        if tag == "a" and attributes.get("href"):
            self.links.add(attributes["href"] or "")
        if tag in LOADS and attributes.get("rel") != "canonical" and attributes.get(LOADS[tag]):
            self.loaded.add(attributes[LOADS[tag]] or "")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Page]:
    folder = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    built = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert built.returncode == 0, built.stdout + built.stderr
    return {path: Page(path.read_text(encoding="utf-8")) for path in folder.rglob("*.html")}


def named(site: dict[Path, Page], name: str) -> Page:
    [page] = [page for path, page in site.items() if path.parent.name == name]
    return page


def test_every_link_leads_to_a_file_and_an_anchor(site: dict[Path, Page]) -> None:
    broken = []
    for path, page in site.items():
        # The page of errors is shown at any address, so its links begin at the top of the host.
        if path.name == "404.html":
            continue
        for link in page.links | page.loaded:
            address, anchor = urldefrag(link)
            if urlsplit(address).scheme:
                continue
            target = (path.parent / address).resolve() if address else path
            target = target / "index.html" if target.is_dir() else target
            if not target.exists() or (anchor and target in site and anchor not in site[target].anchors):
                broken.append(f"{path}: {link}")
    assert broken == []


def test_no_page_loads_anything_from_another_host(site: dict[Path, Page]) -> None:
    assert {address for page in site.values() for address in page.loaded if urlsplit(address).netloc} == set()


def test_the_reference_has_every_public_name(site: dict[Path, Page]) -> None:
    anchors = named(site, "api").anchors
    names = {f"thread.telemetry.{name}" for name in telemetry.__all__}
    for module in EXPORTERS:
        exported = import_module(f"thread_exporters.{module}").__all__
        names |= {f"thread_exporters.{module}.{name}" for name in exported}
    assert names - anchors == set()
