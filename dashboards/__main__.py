"""Write the dashboards that Grafana reads, or check that they are what the code makes."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

from ._board import as_json
from ._lock import lock_board
from ._overview import overview
from ._threads import threads_board

FOLDER: Final = Path(__file__).parent

DASHBOARDS: Final = {"overview.json": overview, "lock.json": lock_board, "threads.json": threads_board}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m dashboards", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a file is not what the code makes")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the files are, unless beside this code")
    options = parser.parse_args(arguments)
    folder: Path = options.folder
    if not folder.is_dir():
        parser.error(f"--folder: expected a folder, got {str(folder)!r}")
    generated = {folder / name: as_json(build()) for name, build in DASHBOARDS.items()}
    outdated = [path for path, text in generated.items() if _text_of(path) != text]
    for path in outdated:
        if options.check:
            print(f"{path} is not what the code makes; `make dashboards` writes it anew", file=sys.stderr)
        else:
            path.write_text(generated[path], encoding="utf-8")
            print(f"wrote {path}")
    return 1 if options.check and outdated else 0


def _text_of(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


if __name__ == "__main__":
    sys.exit(main())
