"""Draw every board from services with planted faults, dark and light, 1440 and 1920 pixels wide."""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from .incidents import INCIDENTS, all_pods
from .renderer import Drawn, Picture, draw, install
from .stage import staged

BOARDS: Final = ("overview", "lock", "threads")
WIDTHS: Final = (1440, 1920)
THEMES: Final = ("dark", "light")
DOCS: Final = Path(__file__).parent.parent.parent / "docs" / "pictures"
FIRST_SCREEN: Final = 900
"""Pixels of a laptop's screen."""
LOCK: Final = "__main__:convoy.cache_guard"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m dashboards.preview", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("build/boards"), help="folder of the pictures (%(default)s)")
    parser.add_argument("--minutes", type=float, default=5.0, help="how long the services run (default: %(default)s)")
    parser.add_argument(
        "--docs", action="store_true", help="draw the pictures of the documentation, into docs/pictures"
    )
    parser.add_argument("--install", action="store_true", help="install the npm packages, and draw nothing")
    options = parser.parse_args()
    install()
    if options.install:
        return 0
    # Whoever ends it, by a signal too, leaves no service behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    out: Path = DOCS if options.docs else options.out
    out.mkdir(parents=True, exist_ok=True)
    pictures = list((of_the_documentation if options.docs else whole_boards)(out, options.minutes))
    seconds = options.minutes * 60
    with tempfile.TemporaryDirectory(prefix="stage-") as folder:
        with staged(Path(folder), all_pods(seconds / 4), faster=30) as stage:
            print(f"{len(stage.pods)} services run; the pictures come in {seconds:.0f} s", flush=True)
            stage.play(seconds)
            faults = [say(drawn) for drawn in draw(pictures, stage)]
    return 1 if any(faults) else 0


def whole_boards(out: Path, minutes: float) -> Iterator[Picture]:
    for board in BOARDS:
        for theme in THEMES:
            for width in WIDTHS:
                chosen = [("lock", LOCK)] if board == "lock" else []
                file = out / f"{board}-{theme}-{width}.png"
                yield Picture(board, file, width, theme=theme, minutes=minutes, expanded=True, chosen=chosen)


def of_the_documentation(out: Path, minutes: float) -> Iterator[Picture]:
    """The first screen of each board, and that of the overview in each incident."""
    for board in BOARDS:
        chosen = [("lock", LOCK)] if board == "lock" else []
        yield Picture(board, out / f"board-{board}.png", 1440, FIRST_SCREEN, minutes=minutes, chosen=chosen)
    for incident in INCIDENTS:
        file = out / f"incident-{incident.name}.png"
        yield Picture("overview", file, 1440, FIRST_SCREEN, minutes=minutes, chosen=[("job", incident.job)])


def say(drawn: Drawn) -> list[str]:
    """Print what was drawn, and return what is wrong with it."""
    file = drawn.picture.file
    assert file is not None
    compress(file)
    wrong = [f"{each.title}: {each.error}" for each in drawn.panels.values() if each.error]
    print(f"{file}: {file.stat().st_size:,} bytes", *wrong, sep="\n  ", flush=True)
    return wrong


def compress(picture: Path) -> None:
    """Make the file smaller where pngquant is installed."""
    if program := shutil.which("pngquant"):
        subprocess.run([program, "--force", "--ext", ".png", "--skip-if-larger", "--strip", str(picture)], check=False)


if __name__ == "__main__":
    sys.exit(main())
