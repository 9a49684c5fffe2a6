"""Draw the graphs of docs/diagnosing.md again, and print the figures that it quotes. Takes about twenty minutes.

    .venv-3.12/bin/python docs/pictures/make_pictures.py                # all graphs, into docs/pictures/
    .venv-3.12/bin/python docs/pictures/make_pictures.py --rehearse     # the alert waits for one minute and not for ten

Nothing on them is made up. The example shop runs under observation, under a load that is too much for it. A real
Prometheus scrapes it and evaluates the rules in dashboards/rules/. When the alert fires, Chromium photographs the pages
of Prometheus, with the expressions of the boards. Then the script makes the change that docs/diagnosing.md shows as a
diff in a copy of the shop, and runs that copy under the same load.

Needs the virtual environment of `make build`, and on Debian or Ubuntu `apt install prometheus chromium git`.
"""

from __future__ import annotations

import argparse
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlencode

from terminal import LOCK, PATIENCE, PICTURES, ROOT, SHOP, Ports, copied_shop, running_shop, wait_until

# It has put the folders of the following ones on the path.
# isort: split
from dashboard_queries import dashboard_queries
from prometheus_folder import prometheus_folder
from prometheus_server import Prometheus, running_prometheus
from servers import free_port

DIAGNOSING = ROOT / "docs" / "diagnosing.md"

AFTERWARDS = 240
"""Seconds under load after the change."""


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Makes the pictures of docs/diagnosing.md anew.", epilog="See the top of this file."
    )
    parser.add_argument("--rehearse", action="store_true", help="the alert waits for one minute and not for ten")
    options = parser.parse_args()
    for program in ("chromium", "git", "prometheus"):
        if shutil.which(program) is None:
            parser.error(f"{program} is not installed; on Debian and Ubuntu: apt install {program}")
    # Whoever starts this in the background has Ctrl-C ignored, also by what it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="pictures-") as folder, copied_shop():
        make_pictures(Path(folder), alert_minutes=1 if options.rehearse else 10)
    return 0


def make_pictures(folder: Path, alert_minutes: int) -> None:
    ports = Ports(free_port(), free_port())
    configuration = prometheus_folder(folder, [f"127.0.0.1:{ports.metrics}"])
    [rules] = (folder / "rules").glob("*.yml")
    rules.write_text(rules.read_text().replace("for: 10m", f"for: {alert_minutes}m"))
    with running_prometheus(configuration) as prometheus:
        browser = Browser(prometheus)
        with running_shop(ports, folder / "before.log") as shop:
            wait_until(lambda: "firing" in states(prometheus, "PythonLockConvoy"), 60 * alert_minutes + 300)
            photograph_the_fault(browser)
            before, alerts = figures(prometheus), prometheus.alerts()
        mend()
        with running_shop(ports, folder / "after.log") as mended:
            time.sleep(AFTERWARDS)
            browser.graph("after.png", "overview.json", "Time waited, by lock", minutes=10)
            after = figures(prometheus)
    for alert in alerts:
        print(f"{alert['labels']['alertname']}, {alert['state']}: {alert['annotations']['description']}")
    print("\nOf the last minute before the change, and of the last minute after it:\n")
    for name, value in before.items():
        print(f"  {name:45} {value:10.4g} {after[name]:10.4g}".replace("nan", "  –"))
    print(f"\nbefore\n{shop.load_summary}\n\nafter\n{mended.load_summary}")


def photograph_the_fault(browser: Browser) -> None:
    browser.page("alert.png", "alerts", height=700)
    browser.graph("time-waited.png", "overview.json", "Time waited, by lock", minutes=10)
    browser.graph("wait-quantiles.png", "lock.json", "Wait quantiles", minutes=10, number=1)
    browser.graph("acquisitions.png", "lock.json", "Acquisitions and contentions", minutes=10)
    browser.table("blame.png", "lock.json", "Who waits for whom")


def figures(prometheus: Prometheus) -> dict[str, float]:
    """The figures of the lock on the boards."""
    lock = f'{{python_lock_name="{LOCK}"}}[1m]'
    waits = f"python_lock_wait_duration_seconds_bucket{lock}"
    asked = {
        "threads waiting on average": f"sum(rate(python_lock_wait_duration_seconds_sum{lock}))",
        "acquisitions a second": f"sum(rate(python_lock_acquisitions_total{lock}))",
        "share contended": f"sum(rate(python_lock_contentions_total{lock}))"
        f" / sum(rate(python_lock_acquisitions_total{lock}))",
        "wait p50, s": f"histogram_quantile(0.5, sum by (le) (rate({waits})))",
        "wait p99, s": f"histogram_quantile(0.99, sum by (le) (rate({waits})))",
    }
    return {name: prometheus.value(expression) for name, expression in asked.items()}


def states(prometheus: Prometheus, alert: str) -> list[str]:
    return [each["state"] for each in prometheus.alerts() if each["labels"]["alertname"] == alert]


def mend() -> None:
    """Make the change that the documentation shows."""
    [diff] = re.findall(r"^```diff\n(.*?)^```$", DIAGNOSING.read_text(), re.M | re.S)
    subprocess.run(["git", "apply", "-p2", "--verbose", "-"], cwd=SHOP, input=diff, text=True, check=True)


class Browser:
    """Photographs pages of Prometheus."""

    def __init__(self, prometheus: Prometheus) -> None:
        # Debian's has the classic pages only, and not where others have theirs.
        classic = f"{prometheus.url}/classic"
        try:
            with urllib.request.urlopen(f"{classic}/graph", timeout=PATIENCE):
                self._url = classic
        except urllib.error.HTTPError:
            self._url = prometheus.url

    def graph(self, picture: str, board: str, panel: str, *, minutes: int, number: int = 0) -> None:
        """An expression of a panel over time."""
        size = {"width": 1000, "height": 950}
        self._expression(picture, board, panel, number, **size, tab=0, range_input=f"{minutes}m")

    def table(self, picture: str, board: str, panel: str) -> None:
        self._expression(picture, board, panel, 0, width=1600, height=620, tab=1)

    def page(self, picture: str, path: str, *, height: int, width: int = 1000, **parameters: object) -> None:
        with tempfile.TemporaryDirectory(prefix="chromium-") as profile:
            command = ["chromium", "--headless", "--no-sandbox", "--hide-scrollbars", f"--user-data-dir={profile}"]
            options = [f"--window-size={width},{height}", f"--screenshot={PICTURES / picture}"]
            waiting = ["--virtual-time-budget=20000", "--timeout=20000"]
            address = f"{self._url}/{path}?{urlencode(parameters)}"
            subprocess.run([*command, *options, *waiting, address], check=True, timeout=120, capture_output=True)
        print(f"{picture}: {(PICTURES / picture).stat().st_size:,} bytes", flush=True)

    def _expression(
        self, picture: str, board: str, panel: str, number: int, *, width: int, height: int, **parameters: object
    ) -> None:
        queries = dashboard_queries(LOCK, job="shop", rate_interval="30s", time_range="5m")
        found = [query.expression for query in queries if (query.dashboard, query.panel) == (board, panel)]
        asked = {f"g0.{name}": value for name, value in parameters.items()}
        self.page(picture, "graph", width=width, height=height, **{"g0.expr": found[number], **asked})


if __name__ == "__main__":
    sys.exit(main())
