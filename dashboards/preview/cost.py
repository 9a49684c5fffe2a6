"""The time that Prometheus takes for all queries of all boards, over 24 instances and 6 hours.

    PYTHONPATH=tests/support .venv-3.12/bin/python -m dashboards.preview.cost

The page of the shop under load is scraped twice, and what grew between goes on growing for 6 hours in each of the
instances, faster in some than in others.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from dashboard_queries import dashboard_queries
from prometheus_server import Prometheus, running_prometheus
from required_tools import tool

from .stage import Pod, staged

INSTANCES: Final = 24
HOURS: Final = 6
SCRAPE: Final = 60
"""Seconds, the longest that the alerts allow."""
STEP: Final = 60.0
"""Seconds between the points of a graph: Grafana asks for no more points than were scraped."""
BETWEEN: Final = 20.0
LOCK: Final = "shop.cache:Cache._guard"
_SAMPLE: Final = re.compile(r"^(\w+)(?:\{(.*)\})? ([\d.eE+-]+)", re.M)


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="cost-") as name:
        folder = Path(name)
        before, after = _two_pages(folder)
        blocks = folder / "blocks"
        end = int(time.time()) // SCRAPE * SCRAPE
        _write(folder / "samples.txt", before, after, end)
        command = [tool("promtool", "prometheus"), "tsdb", "create-blocks-from", "openmetrics"]
        subprocess.run([*command, str(folder / "samples.txt"), str(blocks)], check=True, stdout=subprocess.DEVNULL)
        (folder / "prometheus.yml").write_text(json.dumps({"global": {"scrape_interval": "1m"}}))
        with running_prometheus(folder, data=blocks) as prometheus:
            _report(_seconds(prometheus, end))
    return 0


def _two_pages(folder: Path) -> tuple[dict[str, float], dict[str, float]]:
    with staged(folder, [Pod("shop", "shop-0", ("-m", "shop"), is_shop=True)]) as stage:
        stage.play(10)
        before = _page(stage.pods[0].address())
        stage.play(10 + BETWEEN)
        return before, _page(stage.pods[0].address())


def _page(address: str | None) -> dict[str, float]:
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=30) as page:
        text = page.read().decode()
    return {f"{name}{{{labels}": float(value) for name, labels, value in _SAMPLE.findall(text)}


def _write(path: Path, before: dict[str, float], after: dict[str, float], end: int) -> None:
    times = range(end - HOURS * 3600, end + 1, SCRAPE)
    with path.open("w", encoding="utf-8") as file:
        for series, value in after.items():
            grown = (value - before.get(series, 0.0)) / BETWEEN
            grows = re.match(r"\w+(_total|_bucket|_sum|_count)\{", series) is not None
            for number in range(INSTANCES):
                name, _, labels = series.partition("{")
                target = f'{name}{{job="shop",instance="shop-{number}:9464"{"," if labels else ""}{labels}}}'
                pace = grown * (1 + number % 5) / 3
                for at in times:
                    shown = value + pace * (at - times[0]) if grows else value
                    file.write(f"{target} {shown:.6g} {at}\n")
        file.write("# EOF\n")


def _seconds(prometheus: Prometheus, end: int) -> Iterator[tuple[str, str, float]]:
    """Board, panel and time of each query."""
    for query in dashboard_queries(LOCK, rate_interval="240s", time_range=f"{HOURS * 3600}s"):
        began = time.perf_counter()
        if query.instant:
            prometheus.query(query.expression, end)
        else:
            prometheus.query_range(query.expression, end - HOURS * 3600, end, STEP)
        yield query.dashboard, query.panel, time.perf_counter() - began


def _report(asked: Iterator[tuple[str, str, float]]) -> None:
    by_panel: dict[tuple[str, str], float] = defaultdict(float)
    for board, panel, seconds in asked:
        by_panel[board, panel] += seconds
    for (board, panel), seconds in sorted(by_panel.items(), key=lambda each: -each[1])[:10]:
        print(f"{seconds:6.2f} s  {board}, {panel}")
    print(f"{sum(by_panel.values()):6.2f} s  all {len(by_panel)} panels")


if __name__ == "__main__":
    sys.exit(main())
