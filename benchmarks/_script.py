"""Main program of the scripts: each prints the table of its own rows, all of them or those named."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from ._promises import Row
from ._table import text


def main(rows: Sequence[Row]) -> None:
    names = [row.name for row in rows]
    parser = argparse.ArgumentParser()
    parser.add_argument("row", nargs="*", metavar="ROW", help=f"{', '.join(names)}; all by default")
    parser.add_argument("--json", action="store_true", help="one line of JSON per row")
    arguments = parser.parse_args()
    for name in arguments.row:
        if name not in names:
            parser.error(f"there is no row {name!r}; there are {', '.join(names)}")
    chosen = [row for row in rows if row.name in arguments.row or not arguments.row]
    results = (row.result() for row in chosen)
    if arguments.json:
        for result in results:
            print(json.dumps(result.as_json()), flush=True)
    else:
        print(text(list(results)))
