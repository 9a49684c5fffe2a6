"""Measures the promises of speed and prints one table. Each script runs in a process of its own."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from thread._backend import core

from ._promises import Result, Row, result_from_json
from ._table import markdown, text

SCRIPTS = (
    "uncontended",
    "datadog",
    "contended",
    "hand_over",
    "waiting",
    "creation",
    "thread_start",
    "tracing",
    "family",
    "pure_python",
    "startup",
    "reading",
    "footprint",
    "service",
)
ROOT = Path(__file__).parent.parent
PATIENCE = 180


def rows_of(script: str) -> Sequence[Row]:
    rows: Sequence[Row] = importlib.import_module(f"{__package__}.{script}").ROWS
    return rows


def run(script: str, rows: Sequence[Row]) -> Iterator[Result]:
    """Run one script. Every row gets a result, even if the script fails."""
    command = [sys.executable, "-m", f"{__package__}.{script}", "--json", *(row.name for row in rows)]
    unanswered = {row.name: row for row in rows}
    try:
        process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
        output, complaint = process.stdout, (process.stderr.strip().splitlines() or [""])[-1]
    except subprocess.TimeoutExpired as error:
        output, complaint = (error.stdout or b"").decode(), f"not finished after {PATIENCE} s"
    for line in output.splitlines():
        result = result_from_json(json.loads(line))
        del unanswered[result.name]
        yield result
    for row in unanswered.values():
        yield row.unmeasured(f"failed: {complaint}")


def environment() -> str:
    return (
        f"Python {platform.python_version()}, {'C' if core.NAME == 'c' else 'pure-Python'} core, "
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs"
    )


def arguments() -> argparse.Namespace:
    scripts = {script: [row.name for row in rows_of(script)] for script in SCRIPTS}
    names = [name for script, rows in scripts.items() for name in dict.fromkeys((script, *rows))]
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        epilog="rows: " + "; ".join(f"{script}: {', '.join(rows)}" for script, rows in scripts.items()),
    )
    parser.add_argument("row", nargs="*", metavar="ROW", help="a script or a row of one; all by default")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--markdown", action="store_true", help="a table for a README")
    form.add_argument("--json", action="store_true", help="everything, including each round")
    parser.add_argument("--calibrate", action="store_true", help="measure the interpreter against itself")
    parser.add_argument("--check", action="store_true", help="exit with status 1 unless every promise is met")
    parsed = parser.parse_args()
    for name in parsed.row:
        if name not in names:
            parser.error(f"there is no row {name!r}; there are {', '.join(names)}")
    return parsed


def main() -> int:
    options = arguments()
    if options.calibrate:
        os.environ["THREAD_TELEMETRY_BENCHMARKS_CALIBRATE"] = "1"
    results: list[Result] = []
    for script in SCRIPTS:
        chosen = [row for row in rows_of(script) if not options.row or {script, row.name} & set(options.row)]
        if not chosen:
            continue
        if sys.stderr.isatty():
            print(f"measuring {', '.join(row.name for row in chosen)} …", file=sys.stderr)
        results += run(script, chosen)
    if options.json:
        print(json.dumps({"environment": environment(), "results": [each.as_json() for each in results]}, indent=2))
    elif options.markdown:
        print(f"{markdown(results)}\n\n{environment()}")
    else:
        print(f"{environment()}\n\n{text(results)}")
    kept = all(result.verdict in ("met", "") for result in results)
    return 1 if options.check and not kept else 0


if __name__ == "__main__":
    sys.exit(main())
