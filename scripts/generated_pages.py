"""Write a generated page, or check that it is up to date: the command line that the scripts share."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path


def main(page: Path, generate: Callable[[str], str], description: str | None, arguments: list[str] | None) -> int:
    """Write what `generate` makes of the page's present text, or compare with `--check`. Returns the exit status."""
    parser = argparse.ArgumentParser(prog=f"python scripts/{Path(sys.argv[0]).name}", description=description)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if the page is out of date")
    parser.add_argument("--file", type=Path, default=page, help=f"path of the page (default: docs/{page.name})")
    options = parser.parse_args(arguments)
    path: Path = options.file
    if not path.parent.is_dir():
        parser.error(f"--file: expected a file in a folder that exists, got {str(path)!r}")
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    text = generate(before)
    if before == text:
        return 0
    if options.check:
        print(f"{path} is out of date: run `make docs`", file=sys.stderr)
        return 1
    path.write_text(text, encoding="utf-8")
    print(f"wrote {path}")
    return 0
