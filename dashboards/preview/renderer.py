"""The page that draws boards with Grafana's components, and the browser that photographs it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

from required_tools import tool

from .stage import Stage

SOURCES: Final = Path(__file__).parent / "renderer"
BOARDS: Final = Path(__file__).parent.parent
SECONDS_TO_INSTALL: Final = 900
SECONDS_TO_DRAW: Final = 600

MISSING: Final = {"chromium": "chromium", "npm": "npm", "node": "nodejs"}
"""Programs that come from elsewhere, with the Debian package of each."""


@dataclass(frozen=True)
class Picture:
    """One picture of one board. Without a height it shows all of the board, without a file it is only read."""

    board: str
    file: Path | None = None
    width: int = 1440
    height: int | None = None
    theme: str = "dark"
    minutes: float = 60
    expanded: bool = False
    panel: str | None = None
    chosen: Sequence[tuple[str, str]] = ()
    """Variables of the board and a value for each."""

    def query(self) -> list[tuple[str, str]]:
        options = [("theme", self.theme), ("minutes", f"{self.minutes:g}"), ("expanded", f"{self.expanded:d}")]
        return [*options, *((f"var-{name}", value) for name, value in self.chosen)]


@dataclass(frozen=True)
class Stat:
    """A big number and its colour."""

    text: str
    colour: str


@dataclass(frozen=True)
class DrawnPanel:
    """A panel as its reader sees it."""

    title: str
    type: str
    top: int
    bottom: int
    error: str
    empty: bool
    cut: list[str]
    """Texts of which the right end is not seen."""
    stats: list[Stat]
    columns: list[str]
    rows: list[list[str]]
    links: list[str]
    legend: list[str]


@dataclass(frozen=True)
class Drawn:
    """A picture, and what its page says."""

    picture: Picture
    panels: dict[str, DrawnPanel] = field(default_factory=dict)


def draw(pictures: Sequence[Picture], stage: Stage) -> Iterator[Drawn]:
    """Draw the pictures, all of the same moment. Raises CalledProcessError; the reason is on stderr."""
    install()
    common = [("scrape", f"{stage.scrape:g}"), ("faster", f"{stage.faster:g}"), ("to", f"{time.time():.3f}")]
    with tempfile.TemporaryDirectory(prefix="boards-") as out:
        job = {
            "prometheus": stage.prometheus.url,
            "boards": str(BOARDS),
            "out": out,
            "chromium": tool("chromium", MISSING["chromium"]),
            "pictures": [_as_json(each, common) for each in pictures],
        }
        command = [tool("node", MISSING["node"]), str(SOURCES / "draw.mjs")]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps(job))
            process.stdin.close()
            try:
                for picture, line in zip(pictures, process.stdout):
                    yield _read(picture, json.loads(line))
                if process.wait(60) != 0:
                    raise subprocess.CalledProcessError(process.returncode, command)
            finally:
                process.terminate()


def _as_json(picture: Picture, common: list[tuple[str, str]]) -> dict[str, object]:
    return {
        "file": str(picture.file.absolute()) if picture.file else None,
        "board": picture.board,
        "width": picture.width,
        "height": picture.height,
        "panel": picture.panel,
        "query": urlencode([*picture.query(), *common]),
    }


def _read(picture: Picture, answer: dict[str, list[dict[str, object]]]) -> Drawn:
    panels = {}
    for each in answer["panels"]:
        stats = [Stat(**stat) for stat in each.pop("stats")]  # type: ignore[attr-defined]
        panel = DrawnPanel(stats=stats, **each)  # type: ignore[arg-type]
        panels[panel.title] = panel
    return Drawn(picture, panels)


def install() -> None:
    """Put the npm packages of the lock file into the user's cache, once for all clones, and link them here."""
    lock = SOURCES / "package-lock.json"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "thread-telemetry"
    packages = cache / f"boards-preview-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}"
    if not packages.is_dir():
        _download(packages)
    link = SOURCES / "node_modules"
    wanted = packages / "node_modules"
    if not link.is_symlink() or link.readlink() != wanted:
        link.unlink(missing_ok=True)
        link.symlink_to(wanted)


def _download(packages: Path) -> None:
    npm = tool("npm", MISSING["npm"])
    packages.parent.mkdir(parents=True, exist_ok=True)
    print("installing the npm packages of the preview, 700 MB, which takes minutes", flush=True)
    folder = Path(tempfile.mkdtemp(dir=packages.parent))
    try:
        for name in ("package.json", "package-lock.json", ".npmrc"):
            shutil.copy(SOURCES / name, folder)
        subprocess.run([npm, "ci"], cwd=folder, check=True, timeout=SECONDS_TO_INSTALL, stdout=subprocess.DEVNULL)
        # Another run may have been faster.
        with contextlib.suppress(OSError):
            folder.rename(packages)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
