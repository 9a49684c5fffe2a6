"""Draw the graphs of docs/diagnosing.md again, and print the figures that it quotes. Takes about twenty minutes.

    .venv-3.12/bin/python docs/pictures/make_pictures.py                # all graphs, into docs/pictures/
    .venv-3.12/bin/python docs/pictures/make_pictures.py --rehearse     # the alert waits for one minute and not for ten

Nothing on them is made up. The example shop runs under observation, under a load that is too much for it. A real
Prometheus scrapes it and evaluates the rules in dashboards/rules/. When the alert fires, dashboards/preview/ draws
panels of the boards as Grafana does. Then the script makes the change that docs/diagnosing.md shows as a diff in a copy
of the shop, and runs that copy under the same load.

Needs the virtual environment of `make build`, and on Debian or Ubuntu `apt install prometheus chromium nodejs npm git`.
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
from pathlib import Path

from terminal import LOCK, PICTURES, ROOT, SHOP, Ports, copied_shop, running_shop, wait_until

# It has put the folders of the following ones on the path.
# isort: split
from prometheus_folder import prometheus_folder
from prometheus_server import Prometheus, running_prometheus
from servers import free_port

sys.path.append(str(ROOT))
from dashboards.preview.__main__ import say
from dashboards.preview.renderer import Picture, draw
from dashboards.preview.stage import Stage

DIAGNOSING = ROOT / "docs" / "diagnosing.md"

RULES = ROOT / "dashboards" / "rules" / "thread-telemetry.yml"
AFTERWARDS = 240
"""Seconds under load after the change."""


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Makes the pictures of docs/diagnosing.md anew.", epilog="See the top of this file."
    )
    parser.add_argument("--rehearse", action="store_true", help="the alert waits for one minute and not for ten")
    options = parser.parse_args()
    for program in ("chromium", "git", "node", "prometheus"):
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
    # The times on the page are the real ones.
    rules.write_text(RULES.read_text().replace("for: 10m", f"for: {alert_minutes}m"))
    with running_prometheus(configuration) as prometheus:
        stage = Stage(prometheus, scrape=1, faster=1)
        with running_shop(ports, folder / "before.log") as shop:
            wait_until(lambda: "firing" in states(prometheus, "PythonLockConvoy"), 60 * alert_minutes + 300)
            photograph_the_fault(stage)
            before, alerts = figures(prometheus), prometheus.alerts()
        mend()
        with running_shop(ports, folder / "after.log") as mended:
            time.sleep(AFTERWARDS)
            draw_panels(stage, panel("after.png", "overview", "Time waited, by lock"))
            after = figures(prometheus)
    for alert in alerts:
        print(f"{alert['labels']['alertname']}, {alert['state']}: {alert['annotations']['description']}")
    print("\nOf the last minute before the change, and of the last minute after it:\n")
    for name, value in before.items():
        print(f"  {name:45} {value:10.4g} {after[name]:10.4g}".replace("nan", "  –"))
    print(f"\nbefore\n{shop.load_summary}\n\nafter\n{mended.load_summary}")


def photograph_the_fault(stage: Stage) -> None:
    draw_panels(
        stage,
        panel("alert.png", "overview", "Firing alerts"),
        panel("time-waited.png", "overview", "Time waited, by lock"),
        panel("wait-quantiles.png", "lock", "Wait quantiles"),
        panel("acquisitions.png", "lock", "Acquisitions and contentions"),
        panel("blame.png", "lock", "Who waits for whom"),
    )


def panel(file: str, board: str, title: str) -> Picture:
    chosen = [("job", "shop"), ("lock", LOCK)]
    return Picture(board, PICTURES / file, minutes=10, theme="light", panel=title, chosen=chosen)


def draw_panels(stage: Stage, *pictures: Picture) -> None:
    for drawn in draw(pictures, stage):
        say(drawn)


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


if __name__ == "__main__":
    sys.exit(main())
