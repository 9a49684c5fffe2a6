"""A table of the results of several interpreters.

    python -m benchmarks --json >3.12.json                  # with each interpreter
    python -m benchmarks.versions 3.11.json 3.12.json …     # prints the medians side by side, as Markdown

Broken promises are in bold.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from ._promises import Result, result_from_json


def table(runs: list[dict[str, Any]]) -> str:
    """Format a row per measurement that every interpreter has, and a column per interpreter."""
    results = [{each["name"]: result_from_json(each) for each in run["results"]} for run in runs]
    names = [name for name in results[0] if all(name in each and each[name].values for each in results)]
    lines = [
        f"| work | measured against | promise | {' | '.join(str(run['environment']).split(',')[0] for run in runs)} |",
        f"| --- | --- | --- |{' --- |' * len(runs)}",
    ]
    for name in names:
        row = [each[name] for each in results]
        work = f"`{row[0].work}`" if "lock: pass" in row[0].work or "acquire()" in row[0].work else row[0].work
        cells = [work, row[0].against, ", ".join(dict.fromkeys(filter(None, map(promise, row)))), *map(median, row)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def promise(result: Result) -> str:
    return f"{result.promise.sign} {result.promise.bound:g}" if result.promise else ""


def median(result: Result) -> str:
    number = f"{result.median:.3g}" if result.unit else f"{result.median:.3f}"
    return f"**{number}**" if result.verdict == "MISSED" else f"{number} {result.unit}".rstrip()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.versions", description=__doc__)
    parser.add_argument("file", nargs="+", type=Path, help="output of python -m benchmarks --json")
    print(table([json.loads(file.read_text()) for file in parser.parse_args().file]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
